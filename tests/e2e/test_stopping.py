"""A broker that is stopped ends what it was asked for, however that comes to it."""

import asyncio
from pathlib import Path

import anyio
import httpx
import pytest
from tests import peers
from tests.contract.made import made, uid
from tests.quirky import Quirks, quirky

pytestmark = pytest.mark.anyio
HELD = [made(1, 1, number) for number in range(1, 13)]
CONFIG = """
[server]
aet = "HILUM"
data = "./data"
[dimse]
bind = "127.0.0.1"
port = {port}
[http]
bind = "127.0.0.1"
port = 0
[mounts.PACS]
backend = "dimse"
default = true
aet = "QUIRKY"
host = "127.0.0.1"
port = {pacs}
retrieve = "{way}"
[peers.TOOL]
aet = "TOOL"
host = "127.0.0.1"
port = 104
[peers.THIRD]
aet = "THIRD"
host = "127.0.0.1"
port = {third}
"""


async def streamed(url: str) -> tuple[int, int]:
    """The status of a retrieval, and the parts of it that came; 0 where its end did not."""
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        answer = await client.get(url)
    boundary = answer.headers["content-type"].partition("boundary=")[2].strip('"').encode()
    parts = answer.content.split(b"--" + boundary)
    return answer.status_code, len(parts) - 2 if parts[-1].strip() == b"--" else 0


@pytest.mark.parametrize("way", ["get", "move"])
async def test_retrievals_end_well_when_the_broker_is_stopped(tmp_path: Path, way: str) -> None:
    port = peers.free_port()
    with (
        quirky(aet="THIRD") as third,
        quirky(HELD, Quirks(slow=0.1), destinations={"HILUM": port}) as pacs,
        peers.hilum(
            tmp_path / "hilum",
            CONFIG.format(port=port, pacs=pacs.port, way=way, third=third.port),
        ) as broker,
    ):
        movescu = [
            peers.dcmtk("movescu"), "-v", "-S", "-aet", "TOOL", "-aec", "PACS", "-aem", "THIRD",
            "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uid(1)}",
            "127.0.0.1", str(port),
        ]  # fmt: skip
        async with asyncio.TaskGroup() as tasks:
            web = tasks.create_task(streamed(f"{broker.root}/aets/PACS/studies/{uid(1)}"))
            moved = tasks.create_task(anyio.to_thread.run_sync(peers.run, movescu))
            while len(pacs.sent) < 6:  # noqa: ASYNC110 - in another thread
                await asyncio.sleep(0.02)
            assert await anyio.to_thread.run_sync(broker.stop) == 0
        assert web.result() == (200, 12)
        assert "Final Move Response (Success)" in moved.result().stdout
        assert len(third.taken) == 12
