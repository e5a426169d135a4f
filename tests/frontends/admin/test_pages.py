import time

import pytest
from tests.frontends.admin.asking import browser
from tests.frontends.admin.test_app import LOGIN, bearer

from hilum.frontends.admin.desk import Desk
from hilum.frontends.admin.pages import ago, date, size, took
from hilum.frontends.admin.resources import PAGES

pytestmark = pytest.mark.anyio

READS = [each.path for each in PAGES if "GET" in each.methods]
CHANGES = [each.path for each in PAGES if "POST" in each.methods]


@pytest.mark.parametrize("path", CHANGES)
async def test_what_changes_something_must_come_from_our_own_page(path: str) -> None:
    async with browser(Desk()) as asking:
        for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": ""}):
            answer = await asking.post(path, data={"name": "x"}, headers=headers)
            assert answer.status_code == 403
        for fields in ({"name": "x"}, {"csrf": "0" * 64}, {"csrf": "ä"}):
            answer = await asking.post(path, data=fields)
            assert answer.status_code == 403
            assert "load it again" in answer.text
        answer = await asking.post(path, content=b"{}", headers={"Content-Type": "text/plain"})
        assert answer.status_code == 400


@pytest.mark.parametrize("path", READS)
async def test_pages_are_for_administrators_and_lead_to_the_login(path: str) -> None:
    async with browser(Desk(), login=LOGIN) as asking:
        answer = await asking.get(f"{path}?a=b")
        assert answer.status_code == 303
        assert answer.headers["Location"] == f"/login?next=/{path[1:]}%3Fa%3Db"
        plain = await asking.get(path, headers={"Accept": "application/json"})
        assert (plain.status_code, plain.json()) == (401, {"error": plain.json()["error"]})
        for right in ("query", "admin@ONE"):
            assert (await asking.get(path, headers=bearer(right))).status_code == 403
        good = await asking.get(path, headers=bearer("admin"))
        assert good.status_code == (404 if path == "/config" else 200)  # it stands in no file
    assert "Accept" in answer.headers["Vary"]


@pytest.mark.parametrize("path", CHANGES)
async def test_forms_are_for_administrators(path: str) -> None:
    async with browser(Desk(), login=LOGIN) as asking:
        answer = await asking.post(path, data={}, headers=bearer("query"))
        assert answer.status_code == 403
        assert (await asking.post(path, data={})).status_code == 401


async def test_without_logins_a_page_of_another_name_is_refused() -> None:
    async with browser(Desk()) as asking:
        assert (await asking.get("/", headers={"Host": "evil.example"})).status_code == 403


async def test_what_nobody_foresaw_is_a_page_that_says_nothing() -> None:
    def broken() -> list[object]:
        raise ValueError("DOE^JOHN")

    async with browser(Desk(underway=broken)) as asking:  # type: ignore[arg-type] # it fails
        answer = await asking.get("/")
    assert answer.status_code == 500
    assert "internal error" in answer.text
    assert "DOE" not in answer.text


async def test_styles_and_the_login_are_here() -> None:
    async with browser(Desk()) as asking:
        for path in ("/ui/admin.css", "/ui/style.css", "/ui/icon.svg", "/login"):
            assert (await asking.get(path)).status_code == 200


def test_numbers_are_written_for_people() -> None:
    sizes = ["0 bytes", "999 bytes", "1.5 kB", "2.5 TB"]
    assert [size(each) for each in (0, 999, 1500, 2.5e12)] == sizes
    assert [took(each) for each in (0, 59, 61, 90000)] == ["0 s", "59 s", "1 min 1 s", "1 d 1 h"]
    assert (ago(time.time()), ago(time.time() - 60.2)) == ("just now", "1 min ago")
    assert (date(0), date(None)) == ("1970-01-01 00:00 UTC", "never")
