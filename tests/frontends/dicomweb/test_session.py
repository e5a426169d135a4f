"""How a browser is known again; the doors that it opens: tests/e2e/test_doors.py."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from tests.frontends.dicomweb.backend import Scripted

from hilum.config.schema import HttpSettings
from hilum.core.broker import Broker
from hilum.core.login import Login
from hilum.core.mounts import Mount, Mounts
from hilum.core.policy import Policy
from hilum.frontends.dicomweb.app import application
from hilum.model.audit import Event
from hilum.model.errors import Unauthenticated
from hilum.model.principal import Grant, Principal, Proof, Right

pytestmark = pytest.mark.anyio
TOKEN = {"Authorization": "Bearer good"}


class Sessions:
    """In memory; and whose tokens are."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.good = {"good"}
        self.heard: list[Event] = []

    async def begin(self, token: str, _expires: float) -> str:
        self.kept[f"s{len(self.kept)}"] = token
        return f"s{len(self.kept) - 1}"

    async def token(self, secret: str) -> str | None:
        return self.kept.get(secret)

    async def end(self, secret: str) -> None:
        self.kept.pop(secret, None)

    async def verified(self, token: str) -> Principal:
        if token not in self.good:
            raise Unauthenticated("the token is not good")
        return Principal("ann", Proof.TOKEN, grants=(Grant(frozenset(Right)),))


@asynccontextmanager
async def browser(
    sessions: Sessions, url: str = "http://hilum:8080", **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    backend = Scripted()
    mount = Mount(name="ONE", backend="scripted", finds=backend, stores=backend)
    login = Login(Policy(), sessions, sessions)
    broker = Broker(Mounts({"ONE": mount}, "ONE"), audits=sessions.heard.append)
    app = application(broker, HttpSettings(**settings), login=login)
    transport = httpx.ASGITransport(app, client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url=url) as client:
        yield client


def cookie(answer: httpx.Response) -> list[str]:
    return answer.headers["set-cookie"].split("; ")


@pytest.mark.parametrize(
    ("url", "settings", "name", "more"),
    [
        ("http://hilum:8080", {}, "hilum-8080", ["Path=/"]),
        ("http://hilum", {"base_path": "/pacs"}, "hilum", ["Path=/pacs"]),
        ("https://hilum", {}, "__Host-hilum", ["Path=/", "Secure"]),
        ("https://hilum:8443", {}, "__Host-hilum-8443", ["Path=/", "Secure"]),
        ("https://hilum", {"base_path": "/pacs"}, "__Secure-hilum", ["Path=/pacs", "Secure"]),
        (
            "http://hilum:8080",
            {"public_url": "https://a.example/b"},
            "__Secure-hilum",
            ["Path=/b", "Secure"],
        ),
    ],
)
async def test_the_cookie_is_for_us_alone_and_for_no_script(
    url: str, settings: dict[str, Any], name: str, more: list[str]
) -> None:
    async with browser(Sessions(), url, **settings) as client:
        base = settings.get("base_path", "")
        begun = await client.post(f"{base}/login", headers=TOKEN)
        said = cookie(begun)
        assert said[0] == f"{name}=s0"
        assert {*more, "HttpOnly", "SameSite=Strict"} <= {*said}
        assert ("Secure" in said) is ("Secure" in more)
        assert begun.headers["cache-control"] == "no-store"
        shown = {"Cookie": f"a=b; {said[0]}; hilum2=c"}
        assert (await client.get(f"{base}/aets", headers=shown)).status_code == 200
        twice = {"Cookie": f"{said[0]}; {said[0]}"}
        assert (await client.get(f"{base}/aets", headers=twice)).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 404),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://behind.a.proxy"}, 404),
        ({"Origin": "http://hilum:8080"}, 404),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://hilum:8080"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "http://hilum:8081"}, 403),
        ({"Origin": "https://hilum:8080"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
        ({"Referer": "http://hilum:8080/"}, 403),
        ({**TOKEN, "Origin": "http://evil.example"}, 404),
    ],
)
async def test_only_our_own_pages_change_anything(headers: Mapping[str, str], status: int) -> None:
    async with browser(Sessions()) as client:
        await client.post("/login", headers=TOKEN)
        assert (await client.delete("/aets/ONE/jobs/none", headers=headers)).status_code == status
        assert (await client.get("/aets", headers=headers)).status_code == 200
        ended = await client.post("/logout", headers=headers)
        assert ended.status_code == (303 if status == 404 else 403)
        still = 401 if status == 404 else 200
        assert (await client.get("/aets")).status_code == still


async def test_a_token_that_is_good_no_more_ends_its_session() -> None:
    sessions = Sessions()
    async with browser(sessions) as client:
        await client.post("/login", headers=TOKEN)
        sessions.good.clear()
        answer = await client.get("/aets")
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert (await client.get("/", headers={"Accept": "text/html"})).status_code == 200


async def test_a_token_goes_before_a_session() -> None:
    async with browser(Sessions()) as client:
        await client.post("/login", headers=TOKEN)
        bad = {"Authorization": "Bearer bad"}
        assert (await client.get("/aets", headers=bad)).status_code == 401


async def test_who_logs_in_again_has_one_session() -> None:
    sessions = Sessions()
    async with browser(sessions) as client:
        await client.post("/login", headers=TOKEN)
        await client.post("/login", headers=TOKEN)
        assert len(sessions.kept) == 1
