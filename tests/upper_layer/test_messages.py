import asyncio

import pytest

from hilum.codec.dimse import A_DATA_SET, Command
from hilum.codec.sop_class import IMPLICIT_LE, VERIFICATION
from hilum.model.errors import BackendFault, BackendTimeout, TooLarge
from hilum.upper_layer.link import UNREAD_HIGH
from hilum.upper_layer.messages import (
    MESSAGE_COST,
    PIECE_COST,
    Context,
    DataStream,
    Message,
    Responses,
)

pytestmark = pytest.mark.anyio

ENOUGH = 768 * 1024  # bytes
CONTEXT = Context(1, VERIFICATION, IMPLICIT_LE, we_may_ask=True, peer_may_ask=True)


class Account:
    """What is counted as unread."""

    def __init__(self) -> None:
        self.unread = 0
        self.most = 0
        self.stops = UNREAD_HIGH

    def count(self, size: int) -> bool:
        self.unread += size
        self.most = max(self.most, self.unread)
        return self.unread > self.stops

    def uncount(self, size: int) -> None:
        self.unread -= size

    def stream(self) -> DataStream:
        return DataStream(self.count, self.uncount)


def response(status: int, data: DataStream | None = None) -> Message:
    kind = A_DATA_SET if data is not None else 0x0101
    command = Command(command_field=0x8020, status=status, data_set_type=kind)
    return Message(CONTEXT, command, data)


async def test_a_stream_gives_what_it_got_and_counts_back() -> None:
    account = Account()
    stream = account.stream()
    for at in range(3):
        stream.put(bytes([at]) * 10, last=at == 2)
    assert account.unread == 3 * (10 + PIECE_COST)
    assert [each async for each in stream] == [b"\0" * 10 + b"\1" * 10 + b"\2" * 10]  # what is here
    assert account.unread == 0


async def test_a_stream_may_end_with_an_empty_piece() -> None:
    account = Account()
    stream = account.stream()
    stream.put(b"a", last=False)
    stream.put(b"", last=True)
    assert await stream.read() == b"a"
    assert account.unread == 0


async def test_a_reader_waits_for_what_comes() -> None:
    stream = Account().stream()
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(stream.read())
        await asyncio.sleep(0)
        stream.put(b"a", last=False)
        await asyncio.sleep(0.01)
        stream.put(b"b", last=True)
    assert reading.result() == b"ab"


async def test_what_is_discarded_is_counted_back_now_and_later() -> None:
    account = Account()
    stream = account.stream()
    stream.put(bytes(100), last=False)
    stream.discard()
    assert account.unread == 0
    stream.put(bytes(100), last=True)
    assert account.unread == 0
    assert [each async for each in stream] == []


async def test_a_data_set_that_is_too_long_is_refused_and_counted_back() -> None:
    account = Account()
    stream = account.stream()
    for _ in range(5):
        stream.put(bytes(100), last=False)
    with pytest.raises(TooLarge):
        await stream.read(limit=250)
    stream.put(bytes(100), last=True)
    assert account.unread == 0


async def test_a_stream_that_fails_gives_what_it_had_and_then_the_error() -> None:
    stream = Account().stream()
    stream.put(b"a", last=False)
    stream.fail(BackendFault("gone"))
    assert await anext(stream) == b"a"
    with pytest.raises(BackendFault):
        await anext(stream)
    with pytest.raises(BackendFault):
        await stream.drain()


async def test_a_stream_that_is_whole_cannot_fail_any_more() -> None:
    stream = Account().stream()
    stream.put(b"a", last=True)
    stream.fail(BackendFault("gone"))
    assert await stream.read() == b"a"


async def test_a_reader_that_waits_hears_of_the_failure() -> None:
    stream = Account().stream()

    async def reading() -> str:
        with pytest.raises(BackendFault) as caught:
            await stream.read()
        return str(caught.value)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(reading())
        await asyncio.sleep(0)
        stream.fail(BackendFault("gone"))
    assert task.result() == "gone"


async def test_a_message_without_a_data_set_has_an_empty_identifier() -> None:
    message = response(0)
    assert await message.identifier() == b""
    message.leave()


async def test_responses_end_with_the_final_one_and_count_back() -> None:
    account = Account()
    responses = Responses(0x8020, account.uncount, 1)
    streams = [account.stream() for _ in range(2)]
    for stream, status in zip(streams, (0xFF00, 0xFF01), strict=True):
        account.count(MESSAGE_COST)
        responses.put(response(status, stream))
        stream.put(bytes(50), last=True)
    account.count(MESSAGE_COST)
    responses.put(response(0))
    assert responses.final
    assert [each.command.status async for each in responses] == [0xFF00, 0xFF01, 0]
    assert account.unread == 0


async def test_responses_that_are_closed_count_back_what_was_not_read() -> None:
    account = Account()
    responses = Responses(0x8020, account.uncount, 1)
    streams = [account.stream() for _ in range(3)]
    for stream in streams:
        account.count(MESSAGE_COST)
        responses.put(response(0xFF00, stream))
        stream.put(bytes(50), last=False)
    await anext(responses)
    responses.close()
    assert account.unread == 0
    streams[0].put(bytes(50), last=True)
    assert account.unread == 0


async def test_a_response_that_does_not_come_is_a_timeout() -> None:
    responses = Responses(0x8020, Account().uncount, 0.05)
    with pytest.raises(BackendTimeout):
        await anext(responses)
    responses.fail(BackendFault("gone"))
    with pytest.raises(BackendFault):
        await anext(responses)


async def test_who_wants_several_is_woken_once_all_has_come() -> None:
    account = Account()
    stream = account.stream()
    woken: list[int] = []

    async def read() -> None:
        while pieces := await stream.several(ENOUGH):
            woken.append(len(pieces))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(read())
        for number in range(20):
            await asyncio.sleep(0)
            stream.put(b"a", last=number == 19)
    assert woken == [20]
    assert account.unread == 0


@pytest.mark.parametrize("length", [1, 1000, 100_000])
async def test_who_wants_several_gets_them_before_the_peer_is_stopped(length: int) -> None:
    account = Account()
    stream = account.stream()
    came = 0
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(stream.several(ENOUGH))
        while not reading.done():
            assert account.unread < UNREAD_HIGH
            stream.put(bytes(length), last=False)
            came += length
            await asyncio.sleep(0)
    assert sum(map(len, reading.result())) == came
    assert account.unread == 0


async def test_who_wants_several_is_told_what_fails() -> None:
    stream = Account().stream()
    stream.put(b"a", last=False)
    asyncio.get_running_loop().call_later(0.01, stream.fail, BackendFault("gone"))
    with pytest.raises(BackendFault, match="gone"):
        await stream.several(ENOUGH)
    stream.discard()
    assert await stream.several(ENOUGH) == []


async def test_after_several_the_rest_comes_one_by_one() -> None:
    account = Account()
    stream = account.stream()
    stream.put(bytes(ENOUGH), last=False)
    assert [len(each) for each in await stream.several(ENOUGH)] == [ENOUGH]
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(anext(stream))
        await asyncio.sleep(0)
        stream.put(b"b", last=False)
    assert reading.result() == b"b"
