import asyncio
import http.server
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.backends.dicomweb.served import Request, always, lying, said
from tests.net.openid import SECRET, Provider, Server, Signer, provider, serving
from tests.net.webserver import ANY, body, client

from hilum.config.auth import TokenSettings
from hilum.config.login import OAuth
from hilum.config.mounts import Web
from hilum.core.caller import acting_for
from hilum.model.errors import (
    BackendFault,
    BackendUnavailable,
    Forbidden,
    HilumError,
    Unauthenticated,
)
from hilum.model.principal import NOBODY, Principal, Proof
from hilum.net import credentials as module
from hilum.net.access import tls
from hilum.net.client import open_client
from hilum.net.credentials import Credentials, Granted, open_credentials
from hilum.net.keys import open_keys
from hilum.net.tokens import Tokens

pytestmark = pytest.mark.anyio
ANNA = Principal("anna", Proof.TOKEN, token="a.a.a")  # noqa: S106 - no secret


class Clock:
    """The credentials' monotonic clock, which stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("hilum.net.credentials.time", made)
    return made


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


def oauth(url: str, **more: object) -> OAuth:
    said = {"token_url": f"{url}/token", "client_id": "gate", "client_secret": SecretStr("s")}
    return OAuth(**{**said, **more})


@asynccontextmanager
async def granted(url: str, **more: object) -> AsyncIterator[Credentials]:
    async with open_credentials(Web(oauth=oauth(url, **more))) as found:
        assert isinstance(found, Granted)
        yield found


def gives(server: Server, token: str, life: object = 300, **more: object) -> None:
    answer = {"access_token": token, "token_type": "Bearer", "expires_in": life, **more}
    server.gives("/token", {name: each for name, each in answer.items() if each is not None})


async def test_fixed_ones() -> None:
    for web, value in (
        (Web(), None),
        (Web(bearer=SecretStr("t")), "Bearer t"),
        (Web(username="bob", password=SecretStr("pässword")), "Basic Ym9iOnDDpHNzd29yZA=="),
    ):
        async with open_credentials(web) as found:
            assert await found.authorization() == value
            assert not await found.renewed(value)


async def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("one\n")
    async with open_credentials(Web(bearer_file=path)) as found:
        assert await found.authorization() == "Bearer one"
        assert not await found.renewed("Bearer one")
        path.write_text("three\n")
        assert await found.renewed("Bearer one")
        assert await found.authorization() == "Bearer three"
        path.write_text("two\nlines\n")
        assert await found.authorization() == "Bearer three"
        path.unlink()
        assert await found.authorization() == "Bearer three"  # until there is a better one
    path.write_bytes(b"\xff" * 100_000)
    async with open_credentials(Web(bearer_file=path)) as found:
        with pytest.raises(BackendFault, match="bearer_file"):
            await found.authorization()


async def test_a_token_is_fetched_once_however_many_want_it(server: Server) -> None:
    gives(server, "one")
    async with granted(server.url) as found:
        assert server.asked == []
        values = await asyncio.gather(*(found.authorization() for _ in range(50)))
    assert set(values) == {"Bearer one"}
    assert server.asked == ["/token"]


async def test_it_is_renewed_before_it_expires_and_nobody_waits_for_that(
    server: Server, clock: Clock
) -> None:
    gives(server, "one", 300)  # renewed a minute before
    async with granted(server.url) as found:
        assert await found.authorization() == "Bearer one"
        clock.now += 241
        asked, goes_on = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()
        gives(server, "two")
        fast = server.answers["/token"]

        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            loop.call_soon_threadsafe(asked.set)
            assert goes_on.wait(60)
            fast(handler)

        server.answers["/token"] = answer
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(found.authorization())
            await asked.wait()
            assert await found.authorization() == "Bearer one"
            goes_on.set()
        assert renewing.result() == "Bearer two"
        assert await found.authorization() == "Bearer two"


async def test_a_provider_that_is_down_does_no_harm_while_the_token_holds(
    server: Server, clock: Clock
) -> None:
    gives(server, "one", 300)
    async with granted(server.url) as found:
        await found.authorization()
        clock.now += 250
        server.gives("/token", {}, status=503)
        assert await found.authorization() == "Bearer one"
        assert await found.authorization() == "Bearer one"
        assert len(server.asked) == 2  # not again for each request
        clock.now += 60
        with pytest.raises(BackendFault):
            await found.authorization()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"error": "invalid_client"}, 401),
        ({"error": "x" * 5000}, 400),
        ({}, 200),
        ([], 200),
        (b"<html>", 200),
        (b"[" * 200_000, 200),
        (b" " * 5_000_000, 200),
        ({"access_token": "a b"}, 200),
        ({"access_token": "a\r\nX: y"}, 200),
        ({"access_token": ""}, 200),
        ({"access_token": "t", "token_type": "mac"}, 200),
        ({"access_token": "t", "expires_in": "soon"}, 200),
        ({"access_token": "t", "expires_in": -1}, 200),
        (b'{"access_token": "t", "expires_in": NaN}', 200),
        (b"", 302),
    ],
)
async def test_what_is_no_token_is_a_fault_of_the_provider(
    server: Server, answer: object, status: int
) -> None:
    server.gives("/token", answer, status=status)
    async with granted(server.url) as found:
        with pytest.raises((BackendFault, BackendUnavailable)) as failed:
            await found.authorization()
    assert len(str(failed.value)) < 200


async def test_those_who_waited_for_a_failure_share_it(server: Server) -> None:
    server.gives("/token", {"error": "invalid_client"}, status=401)
    async with granted(server.url) as found:
        every = await asyncio.gather(
            *(found.authorization() for _ in range(50)), return_exceptions=True
        )
    assert all(isinstance(each, HilumError) for each in every)
    assert "invalid_client" in str(every[0])
    assert len(server.asked) == 1


async def test_a_token_without_an_end_is_taken_to_hold_some_minutes(server: Server) -> None:
    gives(server, "t", None, token_type=None)
    async with granted(server.url) as found:
        assert await found.authorization() == await found.authorization() == "Bearer t"
    assert len(server.asked) == 1


async def test_a_token_that_is_no_longer_taken_is_fetched_anew_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_YOUNG", 0.0)
    gives(server, "one")

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        good = request.headers.get("authorization") == "Bearer two"
        writer.write(said(200, b"good") if good else said(401, b"no"))

    async with (
        lying(answer) as far,
        client(far.url, oauth=oauth(server.url)) as asked,
    ):
        with pytest.raises(BackendFault, match="401"):
            await body(asked, far.url)  # fetched anew, it was the same
        assert len(server.asked) == 2
        gives(server, "two")
        every = await asyncio.gather(*(body(asked, far.url) for _ in range(20)))
        assert set(every) == {b"good"}
        assert len(server.asked) == 3
        async with asked.post(far.url, {}, b"data") as done:
            assert done.status == 200


async def test_a_server_that_refuses_every_token_costs_no_fetch_for_each_request(
    server: Server,
) -> None:
    gives(server, "one")
    async with (
        lying(always(said(401, b"no"))) as far,
        client(far.url, oauth=oauth(server.url)) as asked,
    ):
        for _ in range(5):
            with pytest.raises(BackendFault, match="401"):
                await body(asked, far.url)
    assert len(server.asked) == 1


async def test_a_stream_is_not_sent_twice(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_YOUNG", 0.0)
    gives(server, "one")

    async def pieces() -> AsyncIterator[bytes]:
        gives(server, "two")
        yield b"x"

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        good = request.headers.get("authorization") == "Bearer two"
        writer.write(said(200, b"good") if good else said(401, b"no", "", "Connection: close"))

    async with (
        lying(answer) as far,
        client(far.url, oauth=oauth(server.url)) as asked,
    ):
        async with asked.post(far.url, {"Content-Length": "1"}, pieces()) as done:
            assert done.status == 401
        assert await body(asked, far.url) == b"good"  # the next one has the new token


async def test_the_callers_own_token_goes_on_and_no_other() -> None:
    async with lying(always(said(200, b"good"))) as far:
        web = Web()
        async with (
            open_credentials(web, forward=True) as ours,
            open_client(
                web, far.url, await tls(web), who="x", timeout=5.0, credentials=ours
            ) as asked,
        ):
            for who in (ANNA, Principal("bob", Proof.TOKEN, token="b.b.b")):  # noqa: S106 - no secret
                with acting_for(who):
                    await body(asked, far.url)
                assert far.asked[-1].headers["authorization"] == f"Bearer {who.token}"
            for nobody in (NOBODY, Principal("ct", Proof.AE_TITLE, "CT")):
                with acting_for(nobody), pytest.raises(Unauthenticated):
                    await body(asked, far.url)
            with pytest.raises(Unauthenticated):
                await body(asked, far.url)
        assert len(far.asked) == 2


@pytest.mark.parametrize(("status", "kind"), [(401, Unauthenticated), (403, Forbidden)])
async def test_a_refusal_of_the_callers_token_is_the_callers(
    status: int, kind: type[HilumError]
) -> None:
    async with lying(always(said(status, b"no"))) as far:
        web = Web()
        async with (
            open_credentials(web, forward=True) as ours,
            open_client(
                web, far.url, await tls(web), who="x", timeout=5.0, credentials=ours
            ) as asked,
        ):
            with acting_for(ANNA), pytest.raises(kind):
                async with asked.get(far.url, ANY):
                    pass


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """A real one."""
    with provider(tmp_path_factory.mktemp("provider"), Signer.made("p")) as found:
        yield found


@pytest.mark.parametrize("way", ["basic", "post"])
@pytest.mark.parametrize("discovery", [True, False])
async def test_a_real_provider_gives_a_token_that_we_take_ourselves(
    there: Provider, way: str, *, discovery: bool
) -> None:
    settings = OAuth(
        discovery=there.issuer if discovery else None,
        token_url=None if discovery else there.token_url,
        client_id=f"gate-{way}",
        client_secret=SecretStr(SECRET),
        client_auth=way,  # type: ignore[arg-type] # one of the two
        scope=("hilum:query", "archive.read"),
        resource="urn:archive",
        parameters={"custom": "x"},
    )
    async with open_credentials(Web(oauth=settings)) as found:
        value = await found.authorization()
    assert value is not None
    verifying = TokenSettings(discovery=there.issuer, audience=("urn:archive",))
    async with open_keys(verifying) as keys:
        who = await Tokens(verifying, keys).verified(value.removeprefix("Bearer "))
    assert who.name == f"gate-{way}"
    assert who.claims["scope"] == "hilum:query archive.read"


async def test_a_real_provider_refuses_a_wrong_secret(there: Provider) -> None:
    async with granted(there.issuer, client_id="gate-basic") as found:
        with pytest.raises(BackendFault, match=r"401 invalid_client"):
            await found.authorization()


async def test_tokens_of_a_real_provider_are_renewed(there: Provider, clock: Clock) -> None:
    more = {"client_id": "gate-basic", "client_secret": SecretStr(SECRET)}
    async with granted(there.issuer, **more) as found:
        first = await found.authorization()
        assert await found.authorization() == first
        clock.now += 250
        assert await found.authorization() != first
