import asyncio
import html
import re
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from tests.frontends.admin.asking import browser, send

from hilum.config.load import load
from hilum.core.broker import Broker
from hilum.core.mounts import Mounts
from hilum.frontends.admin.desk import Desk
from hilum.frontends.admin.trial import Heard, Proposed
from hilum.model.audit import Event

pytestmark = pytest.mark.anyio
TEXT = """# Ours
[mounts.ARCHIVE]
[mounts.PACS]
backend = "dimse"
aet = "PACS"
host = "pacs.example"
port = 104
retrieve = "move" # for now
[peers.CT]
aet = "CT1"
host = "ct.example"
port = 104
"""


class Probes:
    """Finds one thing, and waits until it may end."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.asked: list[tuple[str, bool]] = []

    async def __call__(self, name: str, retrieves: bool, heard: Heard) -> Proposed:  # noqa: FBT001 - see Probes
        self.asked.append((name, retrieves))
        heard("C-GET", "works <well>")
        await self.gate.wait()
        if name == "peer:CT":
            return Proposed("CT1", {}, '[mounts.CT1]\nbackend = "dimse"\n')
        return Proposed("PACS", {"retrieve": "get"}, "[mounts.PACS]\n")


def desk(folder: Path, probes: Probes) -> Desk:
    file = folder / "config.toml"
    file.write_text(TEXT)
    found = load(file, {})
    return replace(Desk(settings=lambda: found), probe=probes)


async def until(asking: httpx.AsyncClient, said: str) -> str:
    """The page, once it says that."""
    while said not in (text := (await asking.get("/probe")).text):  # noqa: ASYNC110 - told by nobody
        await asyncio.sleep(0.001)
    return text


async def test_a_mount_is_probed_with_progress_and_its_settings_go_to_the_editor(
    tmp_path: Path,
) -> None:
    probes, told = Probes(), list[Event]()
    broker = Broker(Mounts({}, None), audits=told.append)
    async with browser(desk(tmp_path, probes), broker=broker) as asking:
        answer = await send(asking, "/probe", do="begin", name="mount:PACS", retrieve="1")
        assert answer.headers["Location"] == "/probe"
        text = await until(asking, "works &lt;well&gt;")
        assert "is being probed" in text
        assert 'http-equiv="refresh" content="3; url=/probe"' in text
        assert "http-equiv" not in (await asking.get("/probe?pause=1")).text
        assert (await send(asking, "/probe", do="begin", name="peer:CT")).status_code == 409
        probes.gate.set()
        text = await until(asking, "was probed in")
        shown = re.search(r'name="text" hidden>\n(.*?)</textarea>', text, re.DOTALL)
        tag = re.search(r'name="tag" value="(.*?)"', text)
        assert shown
        assert tag
        edited = html.unescape(shown[1])
        assert edited == TEXT.replace('"move"', '"get"')
        preview = await send(asking, "/config", "/probe", do="preview", text=edited, tag=tag[1])
        assert "+retrieve = &#34;get&#34; # for now" in preview.text
    assert probes.asked == [("mount:PACS", True)]
    assert [(each.mount, each.why) for each in told] == [("PACS", "probes mount PACS")]


async def test_a_probe_is_stopped_and_of_a_peer_comes_a_new_mount(tmp_path: Path) -> None:
    probes = Probes()
    async with browser(desk(tmp_path, probes)) as asking:
        await send(asking, "/probe", do="begin", name="peer:CT")
        await until(asking, "works")
        await send(asking, "/probe", do="stop")
        assert "it was stopped" in await until(asking, "not probed to the end")
        await send(asking, "/probe", do="stop")  # there is nothing to stop
        probes.gate.set()
        await send(asking, "/probe", do="begin", name="peer:CT")
        text = html.unescape(await until(asking, "Look at it in the configuration"))
        assert f'{TEXT}\n[mounts.CT1]\nbackend = "dimse"\n' in text
    assert probes.asked == [("peer:CT", False)] * 2


@pytest.mark.parametrize("name", ["", "mount:ARCHIVE", "peer:PACS", "evil.example:104"])
async def test_only_what_is_configured_is_asked(tmp_path: Path, name: str) -> None:
    probes = Probes()
    async with browser(desk(tmp_path, probes)) as asking:
        assert (await send(asking, "/probe", do="begin", name=name)).status_code == 400
        assert (await send(asking, "/probe", do="burn")).status_code == 400
    assert probes.asked == []
