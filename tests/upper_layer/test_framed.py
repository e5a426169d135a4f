"""Data sets that leave from their files, whatever the peer takes."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.upper_layer.doubles import CT
from tests.upper_layer.ends import ECHO, STORE, both

from hilum.codec.dimse import A_DATA_SET, Command, Service
from hilum.core.budget import IN_HAND
from hilum.model.errors import BackendFault
from hilum.model.instance import CHUNK, Part
from hilum.upper_layer.framed import framed
from hilum.upper_layer.standing import Timeouts

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not hasattr(os, "preadv"), reason="the system reads no pieces"),
]

PATIENT = Timeouts(acse=30, message=30, idle=30)
_HEAD = 7  # bytes of the file before the data set
_COMMAND = Command(
    command_field=Service.C_STORE,
    message_id=3,
    data_set_type=A_DATA_SET,
    affected_sop_class_uid=CT,
    affected_sop_instance_uid="1.2.3",
)


class Filed(AsyncIterator[bytes]):
    """A data set in a file, of which it is told how long it is; and what comes instead."""

    def __init__(self, path: Path, data: bytes, *, instead: bytes = b"", cut: int = 0) -> None:
        path.write_bytes(bytes(_HEAD) + data)
        self.length = len(data)
        self.file = os.open(path, os.O_RDONLY)
        self._instead = [instead] if instead else []
        os.truncate(path, _HEAD + len(data) - cut)

    def ready(self) -> Part:
        return self.file, _HEAD, self.length

    async def __anext__(self) -> bytes:
        if not self._instead:
            raise StopAsyncIteration
        return self._instead.pop()

    @property
    def is_closed(self) -> bool:
        try:
            os.fstat(self.file)
        except OSError:
            return True
        return False


@pytest.mark.parametrize("max_pdu", [0, 2100, 16384, 131072, 10_000_000])
@pytest.mark.parametrize("size", [2, 16378, 2 * 16378, CHUNK])
async def test_it_leaves_whole_in_fragments_that_the_peer_takes(
    tmp_path: Path, max_pdu: int, size: int
) -> None:
    sent = os.urandom(size)
    filed = Filed(tmp_path / "file", sent)
    async with both(max_pdu=max_pdu, timeouts=PATIENT) as ends, asyncio.TaskGroup() as tasks:
        tasks.create_task(ends.ours.send(STORE, _COMMAND, filed))
        command, data = await ends.peer.message()
        assert command == _COMMAND
        assert data == sent
    assert filed.is_closed


async def test_what_is_said_before_comes_before_and_what_is_said_behind_behind(
    tmp_path: Path,
) -> None:
    sent = os.urandom(300_000)
    echo = Command(command_field=Service.C_ECHO, message_id=9)
    async with both(small=True, timeouts=PATIENT) as ends, asyncio.TaskGroup() as tasks:

        async def speak() -> None:
            await ends.ours.send(ECHO, echo, soon=True)
            for number in range(3):
                await ends.ours.send(STORE, _COMMAND, Filed(tmp_path / f"{number}", sent))
                await ends.ours.send(ECHO, echo)

        tasks.create_task(speak())
        assert (await ends.peer.message())[0] == echo
        for _ in range(3):
            assert (await ends.peer.message())[1] == sent
            assert (await ends.peer.message())[0] == echo


async def test_a_peer_that_reads_late_gets_all_of_it_and_little_waits_for_it(
    tmp_path: Path,
) -> None:
    sent, before = os.urandom(CHUNK), IN_HAND.held
    async with both(small=True, timeouts=PATIENT) as ends, asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(ends.ours.send(STORE, _COMMAND, Filed(tmp_path / "file", sent)))
        while IN_HAND.held == before:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        assert IN_HAND.held - before < CHUNK // 2
        assert not sending.done()
        assert (await ends.peer.message())[1] == sent
        await sending
    assert IN_HAND.held == before


async def test_a_data_set_of_odd_length_and_a_file_that_is_shorter_come_from_the_stream(
    tmp_path: Path,
) -> None:
    filed = [
        Filed(tmp_path / "odd", b"123", instead=b"1234"),
        Filed(tmp_path / "cut", bytes(3000), instead=b"5678", cut=1),
    ]
    async with both(timeouts=PATIENT) as ends, asyncio.TaskGroup() as tasks:
        for each, come in zip(filed, (b"1234", b"5678"), strict=True):
            tasks.create_task(ends.ours.send(STORE, _COMMAND, each))
            assert (await ends.peer.message())[1] == come
    assert all(each.is_closed for each in filed)


async def test_event_loops_share_no_buffer_and_few_are_kept() -> None:
    ours, other = asyncio.get_running_loop(), asyncio.new_event_loop()
    try:
        assert framed(ours, 4096) is framed(ours, 4096)
        assert framed(ours, 4096) is not framed(other, 4096)
    finally:
        other.close()
    first = framed(ours, 4096)
    for size in range(5000, 5010, 2):
        framed(ours, size)
    assert framed(ours, 4096) is not first


@pytest.mark.parametrize("how", ["cut", "cancelled"])
async def test_who_breaks_off_in_the_middle_aborts(tmp_path: Path, how: str) -> None:
    filed = Filed(tmp_path / "file", bytes(CHUNK), cut=5 if how == "cut" else 0)
    async with both(small=True, timeouts=PATIENT) as ends, asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(_failing(ends.ours.send(STORE, _COMMAND, filed)))
        if how == "cancelled":
            await ends.peer.reader.readexactly(1000)
            sending.cancel()
        while await ends.peer.reader.read(65536):
            pass
    assert ends.ours.fault == "a message was cut off in the middle"
    assert filed.is_closed


async def _failing(sending: object) -> None:
    with pytest.raises(BackendFault):
        await sending  # type: ignore[misc] # a coroutine
