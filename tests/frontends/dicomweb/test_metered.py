import httpx
import pytest

from hilum.config.limits import LimitSettings
from hilum.config.schema import HttpSettings
from hilum.core.broker import Broker
from hilum.core.mounts import Mount, Mounts
from hilum.frontends.dicomweb.app import application
from hilum.net.rates import Rates

pytestmark = pytest.mark.anyio


async def statuses(limits: LimitSettings, *paths: str, body: bytes = b"") -> list[int]:
    """What one caller is answered; the last of them must say when to come again."""
    broker = Broker(Mounts({"ONE": Mount(name="ONE", backend="none")}, "ONE"))
    app = application(broker, HttpSettings(), rates=Rates(limits))
    transport = httpx.ASGITransport(app, client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://hilum") as client:
        found = [
            await client.request("POST" if body else "GET", path, content=body) for path in paths
        ]
    for answer in found:
        assert ("retry-after" in answer.headers) is (answer.status_code == 429)
        if answer.status_code == 429:
            assert int(answer.headers["retry-after"]) > 0
            assert "come again later" in answer.json()["error"]
    return [each.status_code for each in found]


async def test_one_request_too_many_is_answered_429() -> None:
    limits = LimitSettings(requests_per_second=0.1, burst=20.0)
    assert await statuses(limits, "/aets", "/aets", "/aets") == [200, 200, 429]


async def test_pages_and_whether_we_live_may_be_asked_any_time() -> None:
    limits = LimitSettings(requests_per_second=0.1, burst=10.0)
    paths = ["/livez", "/ui/app.js", "/viewer", "/", "/openapi.yaml"]
    assert 429 not in await statuses(limits, "/aets", *paths)
    assert await statuses(limits, "/aets", *paths, "/health") == [
        *(200, 200, 200, 404, 200, 200, 429)
    ]


async def test_bytes_are_made_up_for_before_the_next_request() -> None:
    limits = LimitSettings(bytes_per_second=100, burst=1.0)
    assert (await statuses(limits, *["/aets"] * 3))[-1] == 429
    stored = await statuses(limits, "/aets/ONE/studies", "/livez", "/aets", body=b"x" * 10_000)
    assert stored[0] != 429
