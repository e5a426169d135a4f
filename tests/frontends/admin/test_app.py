from collections.abc import Sequence

import httpx
import pytest

from hilum.config.schema import HttpSettings
from hilum.core.broker import Broker
from hilum.core.login import OPEN, Login
from hilum.core.mounts import Mounts
from hilum.core.policy import Policy
from hilum.core.readiness import Finding
from hilum.frontends.admin.app import application
from hilum.frontends.admin.resources import RESOURCES
from hilum.model.errors import Unauthenticated
from hilum.model.principal import Grant, Principal, Proof, Right

pytestmark = pytest.mark.anyio


class Tokens:
    """Takes the name of a right for a token that grants it."""

    async def verified(self, token: str) -> Principal:
        right, _, mount = token.partition("@")
        if right not in set(Right):
            raise Unauthenticated("no such token")
        grant = Grant(frozenset((Right(right),)), frozenset((mount or "*",)))
        return Principal("somebody", Proof.TOKEN, grants=(grant,))


LOGIN = Login(Policy(), Tokens())


def client(
    login: Login = OPEN,
    problems: Sequence[Finding] = (),
    host: str = "localhost:8081",
    **settings: object,
) -> httpx.AsyncClient:
    async def exposes(accept: str) -> tuple[bytes, str]:
        return f"for {accept}\n".encode(), "text/plain; version=0.0.4"

    async def inspects() -> Sequence[Finding]:
        return problems

    app = application(
        *(Broker(Mounts({}, None)), HttpSettings(**settings), exposes),
        login=login,
        inspects=inspects,
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{host}")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_metrics_are_given_in_the_format_that_the_client_takes() -> None:
    async with client() as asking:
        answer = await asking.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert (answer.status_code, answer.text) == (200, "for application/openmetrics-text\n")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4"
    assert answer.headers["X-Request-ID"]
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("token", "status"),
    [("metrics", 200), ("admin", 200), ("query", 403), ("metrics@PACS", 403), ("bad", 401)],
)
async def test_with_logins_metrics_need_a_right_at_all_mounts(token: str, status: int) -> None:
    async with client(LOGIN, host="hilum.example.org") as asking:
        assert (await asking.get("/metrics", headers=bearer(token))).status_code == status
        nobody = await asking.get("/metrics")
        assert (nobody.status_code, nobody.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_health_is_told_to_everybody() -> None:
    late = Finding("queue", "a Send waits")
    async with client(LOGIN) as asking:
        assert (await asking.get("/livez")).json() == {"status": "healthy"}
        assert (await asking.head("/readyz")).status_code == 200
    async with client(LOGIN, [late, Finding("archive", "", "ARCHIVE")]) as asking:
        answer = await asking.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"status": "unhealthy", "reasons": {"queue": "a Send waits"}}
        told = (await asking.get("/readyz", params={"verbose": ""})).json()
        assert told["checks"] == {"queue": "a Send waits"}  # nobody may ask about the archive
        told = (await asking.get("/readyz?verbose", headers=bearer("echo"))).json()
        assert told["checks"] == {"queue": "a Send waits", "archive ARCHIVE": "good"}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *((each, 200) for each in ("localhost:8081", "127.0.0.1:8081", "[::1]:8081", "LOCALHOST")),
        *((each, 403) for each in ("evil.example", "127.0.0.1.evil.example", "", "10.0.0.1")),
        ("admin.example.org", 200),
    ],
)
async def test_without_logins_only_names_of_this_machine_are_answered(
    host: str, status: int
) -> None:
    async with client(public_url="https://admin.example.org/hilum") as asking:
        for path in ("/metrics", "/livez"):
            assert (await asking.get(path, headers={"Host": host})).status_code == status


async def test_without_logins_pages_of_others_change_nothing() -> None:
    async with client() as asking:
        for headers, status in (
            ({"Origin": "http://evil.example"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": "http://localhost:8081"}, 405),
            ({}, 405),
        ):
            assert (await asking.post("/metrics", headers=headers)).status_code == status


async def test_what_is_not_there_is_404_and_errors_are_json() -> None:
    async with client() as asking:
        assert (await asking.get("/nowhere")).json() == {"error": "Not Found"}
        assert (await asking.delete("/livez")).headers["Allow"] == "GET, HEAD"


def test_every_resource_says_what_it_needs() -> None:
    for resource in RESOURCES:
        assert resource.needs.keys() == resource.methods.keys()
