import re
from importlib import resources

import pytest
from tests.frontends.dicomweb.backend import Scripted
from tests.frontends.dicomweb.conftest import Served

pytestmark = pytest.mark.anyio

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


async def test_a_browser_gets_the_page_and_others_a_text(served: Served) -> None:
    async with served(Scripted()) as client:
        page = await client.get("/", headers=BROWSER)
        assert page.headers["content-type"].startswith("text/html")
        assert '<base href="/">' in page.text
        assert "Accept" in page.headers["vary"]
        for accept in ("*/*", "text/plain", "application/json"):
            answer = await client.get("/", headers={"Accept": accept})
            assert answer.headers["content-type"].startswith("text/plain")


async def test_every_file_that_the_page_names_is_there(served: Served) -> None:
    async with served(Scripted()) as client:
        seen: set[str] = set()
        waiting = re.findall(
            r'(?:src|href)="(ui/[^"]+)"', (await client.get("/", headers=BROWSER)).text
        )
        while waiting:
            path = waiting.pop()
            seen.add(path)
            answer = await client.get(f"/{path}")
            assert answer.status_code == 200, path
            assert answer.headers["content-security-policy"]
            found = [f"ui/{name}" for name in re.findall(r'from "\./([^"]+)"', answer.text)]
            waiting += [each for each in found if each not in seen]
        folder = resources.files("hilum.frontends.dicomweb").joinpath("web")
        of_others = {"ui/index.html", "ui/login.html", "ui/admin.css"}  # pages, and their styles
        kept = {f"ui/{each.name}" for each in folder.iterdir()} - of_others
        assert seen == kept


async def test_a_file_that_is_known_is_not_sent_again(served: Served) -> None:
    async with served(Scripted()) as client:
        first = await client.get("/ui/app.js")
        again = await client.get("/ui/app.js", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


async def test_the_attributes_have_names(served: Served) -> None:
    async with served(Scripted()) as client:
        assert (await client.get("/ui/names.json")).json()["00100010"] == "Patient's Name"


@pytest.mark.parametrize(
    "name", ["none.js", "..%2Fpage.py", "page.py", "%2e%2e%2fapp.py", "index.html", "login.html"]
)
async def test_nothing_else_can_be_had(served: Served, name: str) -> None:
    async with served(Scripted()) as client:
        assert (await client.get(f"/ui/{name}")).status_code == 404


async def test_without_logins_nobody_is_asked_for_one(served: Served) -> None:
    async with served(Scripted()) as client:
        page = await client.get("/login", headers=BROWSER)
        assert '<form hidden method="post" action="login' in page.text
        assert (await client.get("/login")).json() == {"logins": False, "name": None}
        assert (await client.post("/login", data={"token": "x"})).status_code == 404
        assert (await client.post("/logout")).status_code == 303
