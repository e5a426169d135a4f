import httpx
import pytest
from tests.frontends.dicomweb.test_session import TOKEN, Sessions, browser

from hilum.model.audit import Kind, Outcome

pytestmark = pytest.mark.anyio
HTML = {"Accept": "text/html,*/*;q=0.8"}
OURS = {"Origin": "http://hilum:8080", **HTML}


async def written(client: httpx.AsyncClient, token: str, **more: str) -> httpx.Response:
    return await client.post("/login", data={"token": token}, headers=OURS, params=more)


async def test_a_token_in_the_form_begins_a_session_and_leads_back() -> None:
    async with browser(Sessions()) as client:
        page = await client.get("/login", headers=HTML)
        assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        begun = await written(client, " good ", next="/#/ONE/1.2?a=b")
        assert (begun.status_code, begun.headers["location"]) == (303, "/#/ONE/1.2?a=b")
        assert (await client.get("/aets")).status_code == 200
        assert (await client.get("/login")).json() == {"logins": True, "name": "ann"}
        page = await client.get("/login", headers=HTML)
        assert "<strong>ann</strong>" in page.text


@pytest.mark.parametrize(
    "elsewhere",
    [
        *("//evil.example", "https://evil.example/", "/\\evil.example", "\\\\evil.example", ""),
        *("/\t/evil.example", "javascript:alert(1)", "x", "/a\\b", "/ä", "/a\r\nSet-Cookie: x=y"),
    ],
)
async def test_nobody_is_led_elsewhere(elsewhere: str) -> None:
    async with browser(Sessions()) as client:
        begun = await written(client, "good", next=elsewhere)
        assert (begun.status_code, begun.headers["location"]) == (303, "/")


async def test_what_is_wrong_is_told_on_the_page_and_nothing_is_taken_for_markup() -> None:
    async with browser(Sessions()) as client:
        refused = await written(client, "bad", next='"><script>alert(1)</script>')
        assert refused.status_code == 401
        assert "the token is not good." in refused.text
        assert "<script" not in refused.text
        assert "set-cookie" not in refused.headers


async def test_only_our_own_page_logs_in_by_a_form() -> None:
    async with browser(Sessions()) as client:
        for headers in ({}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            answer = await client.post("/login", data={"token": "good"}, headers=headers)
            assert answer.status_code == 403


@pytest.mark.parametrize(
    ("kind", "content", "status"),
    [
        ("application/json", b'{"token": "good"}', 400),
        ("application/x-www-form-urlencoded", b"token=\xff", 400),
        ("application/x-www-form-urlencoded", b"token=" + b"x" * 200_000, 413),
        ("application/x-www-form-urlencoded", b"", 401),
        ("application/x-www-form-urlencoded", b"&".join([b"a=b"] * 50), 400),
    ],
)
async def test_a_form_is_what_it_should_be(kind: str, content: bytes, status: int) -> None:
    async with browser(Sessions()) as client:
        headers = {**OURS, "Content-Type": kind}
        answer = await client.post("/login", content=content, headers=headers)
        assert answer.status_code == status


async def test_a_program_logs_in_by_its_header() -> None:
    async with browser(Sessions()) as client:
        assert (await client.post("/login", headers=TOKEN)).status_code == 204
        bad = await client.post("/login", headers={"Authorization": "Bearer bad"})
        assert bad.status_code == 401
        ended = await client.post("/logout", headers=OURS)
        assert (ended.status_code, ended.headers["location"]) == (303, "/login")
        assert "Max-Age=0" in ended.headers["set-cookie"]


async def test_who_is_not_encrypted_is_warned() -> None:
    for url, is_warned in (
        ("http://hilum", True),
        ("https://hilum", False),
        ("http://localhost", False),
    ):
        async with browser(Sessions(), url) as client:
            page = await client.get("/login", headers=HTML)
            assert ("not encrypted" in page.text) is is_warned


async def test_who_comes_and_goes_is_in_the_audit_and_who_does_not_come_in_too() -> None:
    sessions = Sessions()
    async with browser(sessions) as client:
        await written(client, "bad")
        await client.post("/login", headers={"Authorization": "Bearer worse"})
        await written(client, "good")
        await client.post("/logout", headers={"Sec-Fetch-Site": "cross-site"})
        await client.post("/logout", headers=OURS)
    said = [(each.kind, each.outcome, each.who.name) for each in sessions.heard]
    assert said == [
        (Kind.LOGIN, Outcome.MINOR, ""),
        (Kind.LOGIN, Outcome.MINOR, ""),
        (Kind.LOGIN, Outcome.SUCCESS, "ann"),
        (Kind.RESTRICTED, Outcome.MINOR, ""),
        (Kind.LOGOUT, Outcome.SUCCESS, "ann"),
    ]
    assert {each.who.address for each in sessions.heard} == {"192.0.2.1"}
