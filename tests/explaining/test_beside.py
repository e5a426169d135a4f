import time
from pathlib import Path

import jwt
import pytest
from tests.explaining.told import CONFIG, settings

from hilum.explaining.beside import allowed_beside
from hilum.explaining.request import of_line
from hilum.model.errors import HilumError
from hilum.model.principal import Grant, Right
from hilum.state.state import open_beside

pytestmark = pytest.mark.anyio
SECRET = "s" * 32
AUTH = """
[auth]
enabled = true
anonymous = ["echo"]
[auth.token]
secret = { env = "EXPLAINED_SECRET" }
algorithms = "HS256"
audience = "hilum"
[auth.rules.doctors]
may = ["query"]
names = ["dr.*"]
[auth.rules.scanners]
may = ["store"]
certificates = "CN=ct?,*"
[peers.ct]
aet = "CT1"
host = "ct1.example.org"
port = 104
auth = "ae"
mounts = ["ARCHIVE"]
"""
FIND, STORE = "GET /aets/PACS/studies?PatientID=7", "POST /aets/ARCHIVE/studies"


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLAINED_SECRET", SECRET)


async def said(
    folder: Path, line: str, name: str | None, token: str | None = None, text: str = CONFIG + AUTH
) -> str:
    told = settings(folder, text)
    request = of_line(line.replace(" /", " /hilum/"), told)
    try:
        return "\n".join(await allowed_beside(request, told, name or "", token))
    except HilumError as error:
        return f"refused: {error}"


@pytest.mark.parametrize(
    ("line", "name", "expected"),
    [
        (FIND, "dr.who", "dr.who may query on PACS: auth.rules.doctors"),
        (FIND, "ann", "refused: ann may not query on PACS: no rule fits"),
        (STORE, "CT1", "CT1 may store on ARCHIVE: granted by its ae title"),
        (STORE, "ct", "CT1 may store on ARCHIVE: granted by its ae title"),
        (FIND, "CT1", "refused: CT1 may not query on PACS: no rule fits"),
        (STORE, "CN=ct1,O=x", "CN=ct1,O=x may store on ARCHIVE: auth.rules.scanners"),
        (FIND, "CN=ct1,O=x", "refused: CN=ct1,O=x may not query on PACS: auth.rules.scanners fits"),
        ("GET /aets/PACS", "anonymous", "anonymous may echo on PACS: auth.anonymous"),
        (FIND, "anonymous", "refused: anonymous may not query on PACS: there is no login"),
        (FIND, "VIEWER", "refused: VIEWER may not query on PACS: there is no login"),
    ],
)
async def test_who_may_what_and_by_which_rule(
    tmp_path: Path, line: str, name: str, expected: str
) -> None:
    assert (await said(tmp_path, line, name)).startswith(expected)


async def test_a_token_says_who_asks_and_may_be_bad(tmp_path: Path) -> None:
    claims = {"sub": "ann", "aud": "hilum", "exp": time.time() + 60, "scope": "hilum:query:PACS"}
    token = jwt.encode(claims, SECRET, algorithm="HS256")
    assert await said(tmp_path, FIND, None, token) == "ann may query on PACS: granted by its token"
    assert "may not store" in await said(tmp_path, STORE, None, token)
    token = jwt.encode({**claims, "exp": 1}, SECRET, algorithm="HS256")
    assert await said(tmp_path, FIND, None, token) == "refused: the token has expired"


async def test_tokens_of_our_own_are_known_by_name_and_by_text(tmp_path: Path) -> None:
    told = settings(tmp_path, CONFIG + AUTH)
    async with open_beside(told.state) as state:
        grant = Grant(frozenset({Right.QUERY}), frozenset({"PACS"}))
        _, token = await state.tokens.create("CT 9", grant)
        granted = "CT 9 may query on PACS: granted by its issued token"
        assert await said(tmp_path, FIND, "CT 9") == granted
        assert await said(tmp_path, FIND, None, token) == granted
        assert "CT 9 may not store" in await said(tmp_path, STORE, "CT 9")
        await state.tokens.revoke("CT 9")
    assert "may not query" in await said(tmp_path, FIND, "CT 9")
    assert "revoked" in await said(tmp_path, FIND, None, token)


async def test_a_send_needs_a_right_at_either_end(tmp_path: Path) -> None:
    line = "POST /aets/ARCHIVE/studies/1.2/series/send-requests/2.25.1?destination="
    assert (await said(tmp_path, line + "VIEWER", "CT1")).count("\n") == 0
    assert "CT1 may not store on PACS" in await said(tmp_path, line + "PACS", "CT1")


async def test_without_logins_everybody_may(tmp_path: Path) -> None:
    assert "there is no [auth]" in await said(tmp_path, FIND, "anonymous", None, CONFIG)
