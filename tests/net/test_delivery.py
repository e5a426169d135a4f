import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from tests.net.repository import Repository, repository, trusted
from tests.peers import HOST, free_port

from hilum.codec.audit_line import encode
from hilum.config.audit import AuditSettings
from hilum.model.audit import Event, Kind, Recorded
from hilum.net import delivery as module
from hilum.net.delivery import deliver
from hilum.state.journal import Journal
from hilum.state.unsent import Unsent

pytestmark = pytest.mark.anyio
QUERY, DELETED = "Query", "DICOM Study Deleted"


class Audit:
    """What is written down while it is sent."""

    def __init__(self, folder: Path, settings: AuditSettings) -> None:
        self.journal = Journal(folder, 10**9, 9)
        self.unsent = Unsent(folder)
        self.settings = settings

    def write(self, kind: Kind, times: int = 1) -> None:
        for number in range(times):
            record = Recorded(event=Event(kind=kind), time=number, host="here", process=1)
            self.journal.append(encode(record))

    @asynccontextmanager
    async def sent(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(deliver(self.unsent, self.settings, stop))
            yield
            stop.set()


def audit(folder: Path, port: int, kind: str = "tcp", **more: object) -> Audit:
    said = {"syslog": f"{kind}://{HOST}:{port}", **more}
    return Audit(folder / "audit", AuditSettings.model_validate(said))


async def came(there: Repository, *events: str) -> list[str]:
    return await asyncio.to_thread(there.wait_for, *events)


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - whatever it is
        await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK", 0.01)
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.1)


async def test_what_is_written_is_sent_and_what_is_left_at_the_end(tmp_path: Path) -> None:
    ca = trustme.CA()
    with repository(ca) as there:
        one = audit(tmp_path, there.port, "tls", ca_file=trusted(ca, tmp_path))
        async with one.sent():
            one.write(Kind.QUERY, 500)
            await came(there, QUERY)
            one.write(Kind.DELETED)
        assert there.wait_for(DELETED) == [QUERY] * 500 + [DELETED]
        assert there.connections == 1
        assert Unsent(tmp_path / "audit").read()[0] == []


async def test_nobody_is_called_as_long_as_there_is_nothing_to_send(tmp_path: Path) -> None:
    with repository() as there:
        async with audit(tmp_path, there.port).sent():
            await asyncio.sleep(0.05)
        assert there.connections == 0


async def test_what_was_sent_by_a_connection_that_breaks_is_sent_again(tmp_path: Path) -> None:
    with repository() as there:
        one = audit(tmp_path, there.port)
        async with one.sent():
            one.write(Kind.QUERY, 3)
            await came(there, QUERY)
            there.cut()
            there.messages.clear()  # as a server that had it in memory only
            one.write(Kind.DELETED)
            said = await came(there, DELETED, QUERY)
            assert said[:4] == [QUERY] * 3 + [DELETED]


async def test_what_has_come_there_for_good_is_not_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTLED", 0.0)
    with repository() as there:
        one = audit(tmp_path, there.port)
        async with one.sent():
            one.write(Kind.QUERY)
            before = one.unsent.settled
            await until(lambda: one.unsent.settled != before)
            there.cut()
            one.write(Kind.DELETED)
            await came(there, DELETED)
        assert there.events() == [QUERY, DELETED]


async def test_a_server_that_comes_later_gets_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    port = free_port()
    one = audit(tmp_path, port)
    async with one.sent():
        one.write(Kind.QUERY, 3)
        await until(lambda: bool(caplog.records))
        await asyncio.sleep(0.1)
        with repository(port=port) as there:
            assert await came(there, QUERY)
            one.write(Kind.DELETED)
            assert await came(there, DELETED) == [QUERY] * 3 + [DELETED]
    said = [each.getMessage() for each in caplog.records]
    assert said[1] == f"the audit is sent to tcp://{HOST}:{port} again"
    assert said[0].startswith(f"the audit cannot be sent to tcp://{HOST}:{port}: ")


async def test_a_line_that_is_none_does_not_hold_up_the_others(tmp_path: Path) -> None:
    with repository() as there:
        one = audit(tmp_path, there.port)
        one.journal.append(b'{"time":"2026-\n')
        one.write(Kind.DELETED)
        async with one.sent():
            assert await came(there, DELETED) == [DELETED]


async def test_the_service_does_not_wait_for_a_server_that_is_gone(tmp_path: Path) -> None:
    one = audit(tmp_path, free_port())
    async with asyncio.timeout(30), one.sent():
        one.write(Kind.QUERY)
    assert len(Unsent(tmp_path / "audit").read()[0]) == 1
