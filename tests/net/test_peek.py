from collections.abc import AsyncIterator

import pytest
from tests.contract.made import dataset as a_dataset
from tests.contract.made import encoded, made, uid

from hilum.codec.sop_class import IMPLICIT_LE
from hilum.model.errors import BackendUnavailable
from hilum.model.instance import Instance
from hilum.net.peek import Below, look

pytestmark = pytest.mark.anyio
STUDY, SERIES, PATIENT, INSTANCE = (0x0020000D,), (0x0020000E,), (0x00100020,), (0x00080018,)


@pytest.mark.parametrize("chunk", [1, 100, 65536])
async def test_what_was_looked_at_is_read_again(chunk: int) -> None:
    one = made(1, 2, 3)
    found, instance = await look(one.instance(chunk))
    assert found == {PATIENT[0]: "P1", STUDY[0]: uid(1), SERIES[0]: uid(1, 2)}
    assert b"".join([piece async for piece in instance.chunks]) == one.data


@pytest.mark.parametrize(
    ("keys", "is_there"),
    [
        ({STUDY: uid(1)}, True),
        ({STUDY: f"{uid(7)}\\{uid(1)}"}, True),
        ({STUDY: uid(2)}, False),
        ({STUDY: uid(1), SERIES: uid(1, 2)}, True),
        ({STUDY: uid(1), SERIES: uid(1, 3)}, False),
        ({PATIENT: "P1"}, True),
        ({PATIENT: "P2"}, False),
        ({PATIENT: "another way to write it", STUDY: uid(1)}, True),
        ({}, True),
    ],
)
async def test_it_belongs_to_what_was_asked_for(
    keys: dict[tuple[int, ...], str], *, is_there: bool
) -> None:
    found, _ = await look(made(1, 2, 3).instance())
    assert found is not None
    assert Below.of(keys).has(found) is is_there


async def test_what_a_data_set_does_not_say_is_not_held_against_it() -> None:
    data = encoded(a_dataset(1, 2, 3, StudyInstanceUID=None, SeriesInstanceUID=None), IMPLICIT_LE)

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    found, _ = await look(Instance("1.2", "1.2", IMPLICIT_LE, chunks()))
    assert found is not None
    assert Below.of({STUDY: uid(1)}).has(found)


async def test_an_instance_can_be_meant_when_its_uid_was_asked_for_or_none() -> None:
    assert Below.of({STUDY: uid(1)}).holds("1.2.3")
    assert Below.of({INSTANCE: "1.2.3\\1.2.4"}).holds("1.2.4")
    assert not Below.of({INSTANCE: "1.2.3\\1.2.4"}).holds("1.2.5")


async def test_rubbish_tells_nothing_and_a_source_that_breaks_off_is_told() -> None:
    async def rubbish() -> AsyncIterator[bytes]:
        for _ in range(400):
            yield b"\xff" * 1000

    found, instance = await look(Instance("1.2", "1.2", IMPLICIT_LE, rubbish()))
    assert found is None or not any(found.values())
    assert sum([len(piece) async for piece in instance.chunks]) == 400_000

    async def broken() -> AsyncIterator[bytes]:
        yield b"\x08\x00"
        raise BackendUnavailable("gone")

    with pytest.raises(BackendUnavailable):
        await look(Instance("1.2", "1.2", IMPLICIT_LE, broken()))
