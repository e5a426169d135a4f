import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from tests.net.repository import Repository, repository, trusted
from tests.peers import HOST, free_port

from hilum.codec.syslog import message
from hilum.config.audit import AuditSettings
from hilum.model.errors import BackendError, BackendTimeout
from hilum.net import syslog as module
from hilum.net.syslog import Line, connected

pytestmark = pytest.mark.anyio
TEXT = (
    b'<AuditMessage><EventIdentification><EventID csd-code="1" originalText="%d"/>'
    b"</EventIdentification></AuditMessage>"
)


def said(number: int) -> bytes:
    return message(TEXT % number, time=0, host="h", application="hilum", process=1)


def settings(**said: object) -> AuditSettings:
    return AuditSettings.model_validate(said)


@asynccontextmanager
async def line(there: Repository, **more: object) -> AsyncIterator[Line]:
    kind = "tls" if "ca_file" in more else "tcp"
    async with connected(settings(syslog=f"{kind}://{HOST}:{there.port}", **more)) as opened:
        yield opened


async def test_messages_come_by_tls_with_their_lengths(tmp_path: Path) -> None:
    ca = trustme.CA()
    with repository(ca) as there:
        async with line(there, ca_file=trusted(ca, tmp_path)) as opened:
            await opened.send([said(1), said(2)])
            await opened.send([said(3)])
        assert there.wait_for("3") == ["1", "2", "3"]


async def test_messages_come_by_tcp() -> None:
    with repository() as there:
        async with line(there) as opened:
            await opened.send([said(1)])
        assert there.wait_for("1") == ["1"]


async def test_messages_come_by_udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
        there.bind((HOST, 0))
        there.settimeout(30)
        to = settings(syslog=f"udp://{HOST}:{there.getsockname()[1]}")
        async with connected(to) as opened:
            await opened.send([said(1)])
            await opened.lost(0.01)
        assert there.recv(65536) == said(1)


@pytest.mark.parametrize("fault", ["authority", "name"])
async def test_who_is_not_the_repository_gets_nothing(tmp_path: Path, fault: str) -> None:
    ca = trustme.CA()
    file = trusted(trustme.CA() if fault == "authority" else ca, tmp_path)
    with repository(ca, name="elsewhere.example" if fault == "name" else HOST) as there:
        with pytest.raises(BackendError, match="its certificate"):
            async with line(there, ca_file=file):
                pass
        assert not there.messages


async def test_a_name_may_be_left_unchecked(tmp_path: Path) -> None:
    ca = trustme.CA()
    with repository(ca, name="elsewhere.example") as there:
        async with line(there, ca_file=trusted(ca, tmp_path), check_host=False) as opened:
            await opened.send([said(1)])
        assert there.wait_for("1")


async def test_nobody_there_is_an_error() -> None:
    with pytest.raises(BackendError):
        async with connected(settings(syslog=f"tcp://{HOST}:{free_port()}")):
            pass


async def test_a_connection_that_breaks_is_noticed_while_nothing_is_sent() -> None:
    async def lives_on() -> None:
        async with line(there) as opened:
            await opened.send([said(1)])
            there.wait_for("1")
            there.cut()
            await opened.lost(60)

    with repository() as there, pytest.raises(BackendError, match=r"closed|broke"):
        await lives_on()


async def test_who_reads_nothing_has_got_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STUCK", 0.2)
    with socket.create_server((HOST, 0)) as listener:
        to = settings(syslog=f"tcp://{HOST}:{listener.getsockname()[1]}")

        async def sends() -> None:
            async with connected(to) as opened:
                while True:
                    await opened.send([b"x" * 2**20])

        with pytest.raises(BackendTimeout):
            await sends()


async def test_who_speaks_no_tls_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CONNECT", 0.5)
    with repository() as there, pytest.raises(BackendError):
        async with line(there, ca_file=trusted(trustme.CA(), tmp_path)):
            pass
