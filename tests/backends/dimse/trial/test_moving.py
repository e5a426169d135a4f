import socket
from dataclasses import replace

import pytest
from tests import peers
from tests.backends.dimse.trial.known import found, knowing
from tests.quirky import HOST, Make, Point, Quirks

from hilum.backends.dimse.findings import Known
from hilum.backends.dimse.trial.moving import Door, moving
from hilum.codec.sop_class import MOVE

pytestmark = pytest.mark.anyio


async def moved(quirks: Quirks, make: Make = Make.OWN, receiver: str = "HILUM") -> Known:
    async with knowing(replace(quirks), make=make) as (known, pacs):
        door = Door(receiver, HOST, peers.free_port())
        pacs.destinations["HILUM"] = (HOST, door.port)
        await moving(known, door)
        assert not peers.listens(door.port)
    return known


async def test_an_instance_comes_and_is_marked() -> None:
    known = await moved(Quirks())
    assert found(known, "move").value is True
    assert found(known, "early_success").value is False
    assert found(known, "originator").value is True
    assert known.settings == {"receivers": ["HILUM"]}


async def test_pynetdicom_marks_it_with_its_own_title() -> None:
    known = await moved(Quirks(), Make.PYNETDICOM)
    assert found(known, "move").value is True
    assert "another AE title" in found(known, "originator").text
    assert known.settings == {"receivers": ["HILUM"], "mode": "sequential"}


@pytest.mark.parametrize(
    ("quirks", "words"),
    [
        (Quirks(no_originator=True), "not given"),
        (Quirks(wrong_message_id=True), "another Message ID"),
    ],
)
async def test_marks_that_are_of_no_use_mean_one_at_a_time(quirks: Quirks, words: str) -> None:
    known = await moved(quirks)
    assert words in found(known, "originator").text
    assert known.settings["mode"] == "sequential"


async def test_an_early_success_is_noticed() -> None:
    known = await moved(Quirks(early_success=0.3))
    assert found(known, "early_success").value is True
    assert found(known, "move").value is True


async def test_another_sender_is_to_be_known() -> None:
    known = await moved(Quirks(store_title="OTHER"))
    assert known.settings["senders"] == ["OTHER"]


@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(nothing=True),
        Quirks(fails=1),
        Quirks(endless=True),
        Quirks(drops=Point.INSTANCE, after=0),
        Quirks(stalls=Point.INSTANCE, after=0),
    ],
)
async def test_where_nothing_comes_it_is_told(quirks: Quirks) -> None:
    known = await moved(quirks)
    assert found(known, "move").value is False
    assert known.settings == {}


async def test_an_unknown_receiver_is_to_be_added_there() -> None:
    known = await moved(Quirks(), receiver="NOBODY")
    assert "knows no Move Destination NOBODY" in found(known, "move").text


async def test_where_it_is_not_accepted_it_is_not_tried() -> None:
    known = await moved(Quirks(refuses=MOVE))
    assert found(known, "move").text == "no C-MOVE context is accepted"


async def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        async with knowing() as (known, pacs):
            await moving(known, Door("HILUM", HOST, taken.getsockname()[1]))
            assert pacs.of("C-MOVE") == []
    assert "cannot listen" in found(known, "move").text
