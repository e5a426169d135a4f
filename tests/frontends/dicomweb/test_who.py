"""Who asks, as far as the connection and a proxy tell; tokens: tests/e2e/test_doors.py."""

from ipaddress import ip_network
from typing import Any

import httpx
import pytest

from hilum.config.schema import HttpSettings
from hilum.core.broker import Broker
from hilum.core.login import Login
from hilum.core.mounts import Mount, Mounts
from hilum.core.policy import Policy, Rule
from hilum.frontends.dicomweb.app import application
from hilum.model.errors import BackendUnavailable, Unauthenticated
from hilum.model.principal import Grant, Principal, Proof, Right

pytestmark = pytest.mark.anyio
INSIDE = Policy(
    [Rule(name="inside", grant=Grant(frozenset(Right)), networks=(ip_network("10.0.0.0/8"),))]
)


class Tokens:
    async def verified(self, token: str) -> Principal:
        if token == "down":  # noqa: S105 - no secret
            raise BackendUnavailable("the keys cannot be fetched")
        if token != "good":  # noqa: S105 - no secret
            raise Unauthenticated("the token is not good")
        return Principal("ann", Proof.TOKEN)


async def status(
    headers: dict[str, str], *, came_from: str = "192.0.2.1", path: str = "/aets", **settings: Any
) -> int:
    broker = Broker(Mounts({"ONE": Mount(name="ONE", backend="none")}, "ONE"))
    app = application(broker, HttpSettings(**settings), login=Login(INSIDE, Tokens()))
    transport = httpx.ASGITransport(app, client=(came_from, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://hilum") as client:
        return (await client.get(path, headers=headers)).status_code


GOOD = {"Authorization": "bearer good"}


async def test_the_address_is_that_of_the_connection() -> None:
    assert await status(GOOD, came_from="10.1.1.1") == 200
    assert await status(GOOD) == 403
    assert await status({**GOOD, "X-Forwarded-For": "10.1.1.1"}) == 403


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Forwarded-For": "10.1.1.1"}, 200),
        ({"X-Forwarded-For": "192.0.2.7, 10.1.1.1"}, 200),
        ({"X-Forwarded-For": "10.1.1.1, 192.0.2.7"}, 403),
        ({"X-Forwarded-For": "10.1.1.1:4711"}, 200),
        ({"Forwarded": 'for=192.0.2.7, for="10.1.1.1:80";proto=https'}, 200),
        ({"Forwarded": 'for="[2001:db8::1]:80"'}, 403),
        ({"Forwarded": "for=unknown"}, 403),
        ({}, 403),
    ],
)
async def test_a_trusted_proxy_says_who_called_it(headers: dict[str, str], expected: int) -> None:
    assert await status({**GOOD, **headers}, trust_forwarded=True) == expected


async def test_where_nobody_can_say_whether_a_token_is_good_nobody_comes_in() -> None:
    assert await status({"Authorization": "Bearer down"}, came_from="10.1.1.1") == 502


@pytest.mark.parametrize("path", ["/livez", "/openapi.yaml"])
@pytest.mark.parametrize("token", ["bad", "down"])
async def test_what_is_open_is_so_whatever_is_shown(path: str, token: str) -> None:
    assert await status({"Authorization": f"Bearer {token}"}, path=path) == 200


@pytest.mark.parametrize(
    ("headers", "came_from", "expected"),
    [
        ({"X-Forwarded-For": "10.1.1.1"}, "172.16.0.1", 200),
        ({"X-Forwarded-For": "10.1.1.1"}, "192.0.2.1", 403),
        ({"X-Forwarded-For": "10.1.1.1, 172.16.0.2"}, "172.16.0.1", 200),
        ({"X-Forwarded-For": "10.1.1.1, 192.0.2.7, 172.16.0.2"}, "172.16.0.1", 403),
        ({"Forwarded": "for=10.1.1.1;proto=https, for=172.16.0.2"}, "172.16.0.1", 200),
        ({"X-Forwarded-For": "172.16.0.3, 172.16.0.2"}, "172.16.0.1", 403),
    ],
)
async def test_only_proxies_that_are_named_are_believed(
    headers: dict[str, str], came_from: str, expected: int
) -> None:
    trusted = {"trust_forwarded": True, "trusted_proxies": ("172.16.0.0/24",)}
    assert await status({**GOOD, **headers}, came_from=came_from, **trusted) == expected
