"""A PACS to retrieve from, and our own door for what its C-MOVEs bring."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import peers

from hilum.backends.dimse.fetch import Fetcher
from hilum.backends.dimse.mover import Mover
from hilum.backends.dimse.pool import Pool
from hilum.backends.dimse.remote import remote_of
from hilum.codec.part10 import encode_meta
from hilum.config.mounts import DimseMount
from hilum.config.schema import DimseSettings, ServerSettings, Settings
from hilum.core.broker import Broker
from hilum.core.login import OPEN, Login
from hilum.core.mounts import Mount, Mounts
from hilum.frontends.dimse.server import serve
from hilum.model.errors import HilumError
from hilum.model.identity import Ref
from hilum.model.instance import Listed
from hilum.net.inbox import Inbox

US = "HILUM_TEST"


@dataclass(slots=True)
class Here:
    """We, as a broker with one PACS.

    Attributes:
        port: of our DIMSE door.
        spilled: the folder for what does not fit into memory.
    """

    inbox: Inbox
    mount: DimseMount
    pool: Pool
    fetcher: Fetcher
    mover: Mover
    port: int
    spilled: Path


@asynccontextmanager
async def door(
    inbox: Inbox,
    *,
    port: int = 0,
    mounts: Sequence[Mount] = (),
    login: Login = OPEN,
    **limits: object,
) -> AsyncIterator[int]:
    """Our DIMSE door; the port at which it listens."""
    settings = Settings(
        server=ServerSettings(aet=US),
        dimse=DimseSettings(**{"port": port, "graceful_shutdown": 0.5, **limits}),  # type: ignore[arg-type]
    )
    table = Mounts({each.name: each for each in mounts}, None, None)
    broker = Broker(table, authorise=login.policy)
    stop, listening = asyncio.Event(), asyncio.get_running_loop().create_future()
    failed: BaseException | None = None
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            serve(
                broker,
                settings,
                inbox=inbox,
                started=lambda _host, at: listening.set_result(at),
                stop=stop,
                login=login,
            )
        )
        try:
            yield await listening
        except Exception as error:  # noqa: BLE001 - raised again, when the group is gone
            failed = error
        finally:
            stop.set()
    if failed is not None:
        raise failed


@asynccontextmanager
async def here(  # noqa: PLR0913 - one for each side of us
    pacs: int,
    folder: Path,
    *,
    aet: str = "QUIRKY",
    port: int = 0,
    mounts: Sequence[Mount] = (),
    limits: dict[str, object] | None = None,
    **settings: object,
) -> AsyncIterator[Here]:
    """Us, before the PACS that listens at port `pacs`; `settings` are of its mount."""
    spilled = folder / "spilled"
    inbox = Inbox(US, spilled)
    mount = DimseMount(
        **{"backend": "dimse", "aet": aet, "host": peers.HOST, "port": pacs, **settings}  # type: ignore[arg-type]
    )
    async with (
        door(inbox, port=port, mounts=mounts, **(limits or {})) as at,
        Pool(remote_of(mount, US), mount.pool) as pool,
    ):
        fetcher = Fetcher(pool, mount, US, inbox)
        yield Here(inbox, mount, pool, fetcher, Mover(pool, mount), at, spilled)


@dataclass(slots=True)
class Fetched:
    """What a retrieval gave.

    Attributes:
        got: SOP Instance UID -> data set, of those that were read to the end.
        part10: the same as files of PS3.10.
        order: SOP Instance UIDs in the order in which they were given.
        cut: of those that broke off, and why.
        error: how it ended.
    """

    manifest: list[Listed] | None = None
    got: dict[str, bytes] = field(default_factory=dict)
    part10: dict[str, bytes] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    cut: dict[str, HilumError] = field(default_factory=dict)
    error: HilumError | None = None


async def fetched(fetcher: Fetcher, *refs: Ref, pace: float = 0.0) -> Fetched:
    """Everything below `refs`, as far as it comes."""
    found = Fetched()
    try:
        async with fetcher.retrieve(refs) as retrieval:
            if retrieval.manifest is not None:
                found.manifest = list(retrieval.manifest)
            async for each in retrieval.instances:
                found.order.append(each.sop_instance_uid)
                try:
                    pieces = [piece async for piece in each.chunks]
                except HilumError as error:
                    found.cut[each.sop_instance_uid] = error
                else:
                    data = b"".join(pieces)
                    uids = each.sop_class_uid, each.sop_instance_uid, each.transfer_syntax_uid
                    found.got[each.sop_instance_uid] = data
                    found.part10[each.sop_instance_uid] = encode_meta(*uids) + data
                    assert each.size in (None, len(found.got[each.sop_instance_uid]))
                await asyncio.sleep(pace)
    except HilumError as error:
        found.error = error
    return found


def open_files() -> set[str]:
    """What this process has open, but its own pipes and event loops (Linux)."""
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # it was that of the folder itself
            target = str(each.readlink())
            if not target.startswith(("pipe:", "anon_inode:")):
                found.add(f"{each.name} {target}")
    return found


def clean(us: Here) -> None:
    """Nothing of a retrieval is left."""
    assert us.pool.in_use == 0
    assert us.inbox.waiters == 0
    assert not us.spilled.exists() or list(us.spilled.iterdir()) == []


async def settled(tasks: set[asyncio.Task[Any]], patience: float = 30.0) -> None:
    """Wait until no others run, as those that serve the PACS' own associations with our door."""
    others = asyncio.all_tasks() - tasks
    if others:
        await asyncio.wait(others, timeout=patience)
