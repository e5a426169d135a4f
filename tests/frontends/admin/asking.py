"""A browser, as far as the tests of the pages need one: what it sends with a form of ours."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from hilum.config.schema import HttpSettings, Settings
from hilum.core.broker import Broker
from hilum.core.login import OPEN, Login
from hilum.core.mounts import Mounts
from hilum.frontends.admin.app import application
from hilum.frontends.admin.desk import Desk

ROOT = "http://localhost:8081"


async def exposes(_accept: str) -> tuple[bytes, str]:
    return b"", "text/plain"


@asynccontextmanager
async def browser(
    desk: Desk, mounts: Mounts | None = None, login: Login = OPEN, broker: Broker | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """At a door with these things behind it."""
    served = broker or Broker(mounts or Mounts({}, None))
    app = application(served, HttpSettings(), exposes, login=login, desk=desk)
    headers = {"Accept": "text/html", "Origin": ROOT}
    transport = httpx.ASGITransport(app)
    async with (
        desk.open(),
        httpx.AsyncClient(transport=transport, base_url=ROOT, headers=headers) as asking,
    ):
        yield asking


def settings(**sections: object) -> Settings:
    """Of those sections."""
    return Settings.model_validate(sections)


async def send(
    asking: httpx.AsyncClient, path: str, page: str | None = None, **fields: object
) -> httpx.Response:
    """Send a form of a page, by default of the one at the same path."""
    shown = await asking.get(page or path)
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', shown.text)
    assert found, shown.text
    return await asking.post(path, data={"csrf": found[1], **fields})
