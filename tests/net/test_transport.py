import asyncio

import httpcore
import httpx
import pytest
from tests.backends.dicomweb.served import always, lying, said
from tests.net.webserver import sockets

from hilum.config.mounts import Web
from hilum.net.access import tls
from hilum.net.transport import BODY, Transport, proxy_of

pytestmark = pytest.mark.anyio


async def test_connections_are_bounded_and_each_is_used_again() -> None:
    async with lying(always(said(200, b"good"))) as liar:
        transport = Transport(await tls(Web()), max_connections=2)
        async with httpx.AsyncClient(transport=transport, timeout=20) as client:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(client.get(liar.url)) for _ in range(20)]
            assert {task.result().content for task in tasks} == {b"good"}
        assert liar.made <= 2


async def test_who_finds_no_free_connection_in_time_is_told_so() -> None:
    async with lying(always(said(200, b"x" * 10)[:-5])) as liar:
        transport = Transport(await tls(Web()), max_connections=1)
        async with (
            httpx.AsyncClient(transport=transport, timeout=0.2) as client,
            client.stream("GET", liar.url),
        ):
            with pytest.raises(httpcore.PoolTimeout):
                await client.get(liar.url)


async def test_a_connection_that_the_server_closed_meanwhile_is_not_used() -> None:
    async with lying(always(said(200, b"good"))) as liar:
        transport = Transport(await tls(Web()), max_connections=1)
        async with httpx.AsyncClient(transport=transport, timeout=20) as client:
            before = sockets()
            await client.get(liar.url)
            liar.drop()
            await asyncio.sleep(0.05)
            assert (await client.get(liar.url)).content == b"good"
            assert liar.made == 2
            assert sockets() <= before + 2  # both ends of one


async def test_a_body_that_was_left_is_closed_once() -> None:
    async with lying(always(said(200, b"x" * 10)[:-5])) as liar:
        transport = Transport(await tls(Web()), max_connections=1)
        async with httpx.AsyncClient(transport=transport, timeout=20) as client:
            for _ in range(3):
                response = await client.send(client.build_request("GET", liar.url), stream=True)
                body = response.extensions[BODY]
                assert await anext(body) == b"xxxxx"
                await response.aclose()
                await body.aclose()
                assert body.ended


def test_the_environment_names_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert proxy_of("http://images.example") is None
    monkeypatch.setenv("http_proxy", "proxy.example:3128")
    monkeypatch.setenv("https_proxy", "http://secure.example:3128")
    monkeypatch.setenv("no_proxy", "near.example")
    assert proxy_of("http://images.example") == "http://proxy.example:3128"
    assert proxy_of("https://images.example:8443/x") == "http://secure.example:3128"
    assert proxy_of("http://a.near.example") is None
    for here in ("http://127.0.0.1:80", "http://localhost", "http://[::1]:8042"):
        assert proxy_of(here) is None
