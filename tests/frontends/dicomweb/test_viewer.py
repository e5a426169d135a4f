import base64
import gzip
import hashlib
import re
from pathlib import Path

import httpx
import pytest
from tests.cli.ohif.made import PAGE
from tests.frontends.dicomweb.backend import Scripted
from tests.frontends.dicomweb.conftest import Served
from tests.frontends.dicomweb.test_viewer_files import lay

pytestmark = pytest.mark.anyio
SCRIPT = b"hash" * 200_000
FILES = {
    "index.html": PAGE,
    "app.bundle.0f.js": SCRIPT,
    "app.bundle.0f.js.gz": gzip.compress(SCRIPT),
    "0f.wasm": b"\0asm",
    "app-config.js": b"another's",
    "ohif-logo.svg": b"<svg/>",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("hush")
    lay(tmp_path / "viewer", "r1", FILES)
    return tmp_path / "viewer"


async def test_one_that_is_not_installed_says_how_to_install_it(
    served: Served, tmp_path: Path
) -> None:
    async with served(Scripted(), viewer=tmp_path / "none") as client:
        answer = await client.get("/viewer")
        assert (answer.status_code, answer.headers["content-type"][:9]) == (404, "text/html")
        assert "hilum viewer install" in answer.text
        assert (await client.head("/viewer/app-config.js")).status_code == 404
        lay(tmp_path / "none", "r1", FILES)
        assert (await client.get("/viewer")).status_code == 200


async def test_one_that_is_switched_off_is_not_there(served: Served) -> None:
    async with served(Scripted()) as client:
        answer = await client.get("/viewer")
    assert (answer.status_code, "switched off" in answer.json()["error"]) == (404, True)


@pytest.mark.parametrize(
    "path", ["/viewer", "/viewer/", "/viewer/viewer/ONE", "/viewer/datasources"]
)
async def test_every_place_in_the_viewer_is_its_page(
    path: str, served: Served, folder: Path
) -> None:
    async with served(Scripted(), viewer=folder) as client:
        answer = await client.get(path, params={"StudyInstanceUIDs": "1.2.3"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    links = re.findall(r'(?:href|src|content)="([^"]+)"', answer.text)
    assert links == [
        *("/viewer/static/r1/assets/b.xml", "/viewer/static/r1/manifest.json"),
        *("/viewer/app-config.js", "/viewer/static/r1/app.bundle.0f.js"),
    ]
    assert 'window.PUBLIC_URL="/viewer/static/r1/"' in answer.text


async def test_the_page_may_run_what_is_in_it_and_nothing_from_elsewhere(
    served: Served, folder: Path
) -> None:
    async with served(Scripted(), viewer=folder) as client:
        answer = await client.get("/viewer")
    policy = answer.headers["content-security-policy"]
    (script,) = re.findall(r"<script>(.*?)</script>", answer.text)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy
    assert "http" not in policy


@pytest.mark.parametrize(
    ("headers", "settings", "root"),
    [
        ({}, {"base_path": "/pacs"}, "/pacs"),
        ({}, {"public_url": "https://x.example/a/b"}, "/a/b"),
        ({"X-Forwarded-Prefix": "/hidden"}, {"trust_forwarded": True}, "/hidden"),
        ({"X-Forwarded-Prefix": "/hidden"}, {}, ""),
    ],
)
async def test_it_is_found_below_the_prefix_that_the_browser_sees(
    headers: dict[str, str], settings: dict[str, object], root: str, served: Served, folder: Path
) -> None:
    base = settings.get("base_path", "")
    async with served(Scripted(), viewer=folder, **settings) as client:
        page = await client.get(f"{base}/viewer", headers=headers)
        script = await client.get(f"{base}/viewer/app-config.js", headers=headers)
    assert f'src="{root}/viewer/static/r1/app.bundle.0f.js"' in page.text
    assert f'"routerBasename": "{root}/viewer"' in script.text
    assert f'"wadoRoot": "{root}/aets/ONE"' in script.text


async def test_the_configuration_is_ours_and_names_the_mounts(served: Served, folder: Path) -> None:
    async with served(Scripted(), Scripted(), default="TWO", viewer=folder) as client:
        answer = await client.get("/viewer/app-config.js")
        again = await client.get(
            "/viewer/app-config.js", headers={"If-None-Match": answer.headers["etag"]}
        )
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert '"defaultDataSourceName": "TWO"' in answer.text
    assert again.status_code == 304


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_a_file_comes_compressed_where_the_browser_takes_that(
    encoding: str, served: Served, folder: Path
) -> None:
    async with served(Scripted(), viewer=folder) as client:
        path, accepted = "/viewer/static/r1/app.bundle.0f.js", {"Accept-Encoding": encoding}
        answer = await client.get(path, headers=accepted)
        assert answer.content == SCRIPT
        assert answer.headers.get("content-encoding", "identity") == encoding
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["last-modified"].endswith("GMT")
        known = {**accepted, "If-None-Match": f'"x", W/{answer.headers["etag"]}'}
        again = await client.get(path, headers=known)
        assert (again.status_code, again.content) == (304, b"")
        head = await client.head(path, headers=accepted)
        assert head.headers["content-length"] == answer.headers["content-length"]
        assert head.content == b""


async def test_a_file_has_the_type_that_a_browser_needs(served: Served, folder: Path) -> None:
    async with served(Scripted(), viewer=folder) as client:
        answer = await client.get("/viewer/static/r1/0f.wasm")
        logo = await client.get("/viewer/ohif-logo.svg")
    assert answer.headers["content-type"] == "application/wasm"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (logo.content, logo.headers["cache-control"]) == (b"<svg/>", "no-cache")


@pytest.mark.parametrize(
    "path",
    [
        "static/r1/../../secret.txt",
        "static/r1/..%2f..%2fsecret.txt",
        "static/r1/%2e%2e/%2e%2e/secret.txt",
        "static/../secret.txt",
        "..%2fsecret.txt",
        "static/r1//etc/passwd",
        "static/r1/C:%5Csecret.txt",
        "static/r1/app.bundle.0f.js%00.txt",
        "static/r1/app.bundle.0f.js.gz",
        "static/r2/app.bundle.0f.js",
        "static/r1",
        "static/",
        "nothing.js",
    ],
)
async def test_what_is_no_file_of_the_release_is_not_given(
    path: str, served: Served, folder: Path
) -> None:
    async with served(Scripted(), viewer=folder) as client:
        url = httpx.URL(str(client.base_url), raw_path=f"/viewer/{path}".encode())
        answer = await client.get(url)
    assert "hush" not in answer.text
    assert answer.status_code == 404 or path == "static/"


async def test_a_file_that_goes_away_is_not_found(served: Served, folder: Path) -> None:
    async with served(Scripted(), viewer=folder) as client:
        assert (await client.get("/viewer")).status_code == 200
        (folder / "r1" / "0f.wasm").unlink()
        assert (await client.get("/viewer/static/r1/0f.wasm")).status_code == 404
