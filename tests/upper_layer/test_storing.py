"""Instances that go out by C-STORE: in which context, and what the answer makes of them."""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from tests.upper_layer.doubles import CT
from tests.upper_layer.ends import Both, both
from tests.upper_layer.wire import message

from hilum.codec.dimse import Command, Service
from hilum.codec.pdu import MAX_OURS
from hilum.codec.sop_class import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE
from hilum.config.imaging import ImagingSettings
from hilum.core.operations import Originator
from hilum.model.errors import (
    BackendError,
    BackendFault,
    BadDataset,
    BadRequest,
    ClassMismatch,
    ClassRefused,
    Conflict,
    CredentialsRefused,
    OutOfResources,
    SyntaxRefused,
)
from hilum.model.instance import Instance
from hilum.model.outcome import Stored
from hilum.upper_layer.messages import Context
from hilum.upper_layer.storing import context_for, store_on
from hilum.workshop.pool import Workshop, open_workshop
from hilum.workshop.transcodes import Transcoder

pytestmark = pytest.mark.anyio

JPEG = "1.2.840.10008.1.2.4.50"
J2K, RLE, VIDEO = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.102"


def context(number: int, syntax: str, *, we_may_ask: bool = True, uid: str = CT) -> Context:
    return Context(number, uid, syntax, we_may_ask=we_may_ask, peer_may_ask=True)


def encoded(syntax: str, study: str = "", series: str = "") -> bytes:
    dataset = Dataset()
    if study:
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.SOPClassUID, dataset.SOPInstanceUID = CT, "1.2.3"
    dataset.PatientName, dataset.Rows = "Doe^Jane", 512
    dataset.BitsAllocated = 16
    inner = Dataset()
    inner.CodeValue = "C"
    dataset.ProcedureCodeSequence = [inner]
    dataset.add_new(0x7FE00010, "OW", bytes(range(256)) * 40)
    out = DicomBytesIO()
    out.is_implicit_VR = syntax == IMPLICIT_LE
    out.is_little_endian = syntax != EXPLICIT_BE
    write_dataset(out, dataset)
    return out.getvalue()


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for each in data:
        yield each


def instance(syntax: str = EXPLICIT_LE, chunks: AsyncIterator[bytes] | None = None) -> Instance:
    return Instance("1.2.3", CT, syntax, chunks or pieces(b"data", b" set"))


async def stored(
    ends: Both,
    what: Instance,
    status: int | None = 0,
    originator: Originator | None = None,
    *,
    looks: bool = False,
) -> tuple[Stored, Command, bytes]:
    """What became of it, and what the peer saw."""
    async with asyncio.TaskGroup() as tasks:
        storing = tasks.create_task(store_on(ends.ours, what, originator, looks=looks))
        command, data = await ends.peer.message()
        answer = Command(
            command_field=0x8001,
            message_id_responded_to=command.message_id,
            status=status,
        )
        await ends.peer.send(message(3, answer))
    return storing.result(), command, data


async def test_an_instance_goes_out_as_it_is() -> None:
    async with both(requestor=True) as ends:
        result, command, data = await stored(ends, instance())
        assert command.command_field == Service.C_STORE
        assert command.affected_sop_class_uid == CT
        assert command.affected_sop_instance_uid == "1.2.3"
        assert command.move_originator_ae_title is None
        assert data == b"data set"
        assert result == Stored(sop_class_uid=CT, sop_instance_uid="1.2.3")


@pytest.mark.parametrize(
    ("data", "study", "series"),
    [(encoded(EXPLICIT_LE, "1.2", "1.2.1"), "1.2", "1.2.1"), (b"no data set", "", "")],
)
async def test_where_it_belongs_is_read_as_it_goes_out(
    data: bytes, study: str, series: str
) -> None:
    async with both(requestor=True) as ends:
        chunks = pieces(data, b"")
        result, _, came = await stored(ends, instance(chunks=chunks), looks=True)
        assert (result.study_instance_uid, result.series_instance_uid) == (study, series)
        assert came[: len(data)] == data


async def test_who_asked_for_a_move_is_told() -> None:
    async with both(requestor=True) as ends:
        _, command, _ = await stored(ends, instance(), originator=Originator("VIEWER", 77))
        assert command.move_originator_ae_title == "VIEWER"
        assert command.move_originator_message_id == 77


@pytest.mark.parametrize("source", [IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE])
@pytest.mark.parametrize("target", [IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE])
async def test_an_uncompressed_instance_goes_out_in_a_syntax_that_the_peer_takes(
    source: str, target: str
) -> None:
    async with both(requestor=True, contexts=[context(3, target)]) as ends:
        whole = encoded(source)
        _, _, data = await stored(ends, instance(source, pieces(whole[:77], whole[77:])))
    found = read_dataset(
        BytesIO(data),
        is_implicit_VR=target == IMPLICIT_LE,
        is_little_endian=target != EXPLICIT_BE,
    )
    assert (found.PatientName, found.Rows) == ("Doe^Jane", 512)
    assert found.ProcedureCodeSequence[0].CodeValue == "C"
    pixels = bytes(range(256)) * 40
    if (source == EXPLICIT_BE) != (target == EXPLICIT_BE):
        pixels = bytes(pixels[at ^ 1] for at in range(len(pixels)))
    assert found.PixelData == pixels


async def test_the_stored_syntax_is_preferred_and_then_explicit_little_endian() -> None:
    contexts = [
        context(1, EXPLICIT_BE),
        context(3, IMPLICIT_LE),
        context(5, EXPLICIT_LE),
        context(7, JPEG),
    ]
    async with both(requestor=True, contexts=contexts) as ends:
        chosen = {
            syntax: context_for(ends.ours, CT, syntax)
            for syntax in (IMPLICIT_LE, EXPLICIT_BE, JPEG, "1.2.840.10008.1.2.1.99", "1.2.9")
        }
        assert {key: each.id for key, each in chosen.items() if each} == {
            IMPLICIT_LE: 3,
            EXPLICIT_BE: 1,
            JPEG: 7,
            "1.2.840.10008.1.2.1.99": 5,
        }


async def test_what_is_compressed_becomes_native_before_it_is_compressed_otherwise(
    tmp_path: Path,
) -> None:
    settings = ImagingSettings()
    transcoder = Transcoder(Workshop(settings), settings, tmp_path)
    contexts = [
        context(1, JPEG),
        context(3, RLE),
        context(5, IMPLICIT_LE),
        context(7, EXPLICIT_LE, uid="1.2.840.10008.5.1.4.1.1.4"),
    ]

    def chosen(syntax: str) -> int | None:
        found = context_for(ends.ours, CT, syntax, transcoder)
        return None if found is None else found.id

    async with both(requestor=True, contexts=contexts) as ends:
        assert chosen(RLE) == 3
        assert chosen(JPEG) == 1
        assert chosen(J2K) == 5
        assert chosen(EXPLICIT_LE) == 5
        assert chosen(VIDEO) is None
        assert context_for(ends.ours, CT, J2K) is None
    async with both(requestor=True, contexts=contexts[:2]) as ends:
        assert chosen(J2K) == 3
        assert chosen(EXPLICIT_LE) == 3
        assert chosen(VIDEO) is None


async def test_pixels_that_cannot_be_decoded_are_a_failure_of_the_one_instance(
    tmp_path: Path,
) -> None:
    settings = ImagingSettings(processes=1)
    async with open_workshop(settings) as workshop:
        transcoder = Transcoder(workshop, settings, tmp_path)
        async with both(requestor=True, contexts=[context(3, EXPLICIT_LE)]) as ends:
            for data in (b"\xff" * 100, encoded(EXPLICIT_LE)):
                one = instance(J2K, pieces(data))
                result = await store_on(ends.ours, one, None, transcoder)
                assert isinstance(result.failure, BadRequest)
            gone = instance(J2K, failing(b"one"))
            with pytest.raises(BackendFault):
                await store_on(ends.ours, gone, None, transcoder)
            assert ends.ours.lost is None


@pytest.mark.parametrize(
    "contexts",
    [
        [],
        [context(3, EXPLICIT_LE, we_may_ask=False)],
        [context(3, EXPLICIT_LE, uid="1.2.840.10008.5.1.4.1.1.4")],
        [context(3, JPEG)],
    ],
    ids=["none", "role", "class", "syntax"],
)
async def test_without_a_fitting_context_nothing_is_sent(contexts: list[Context]) -> None:
    async with both(requestor=True, contexts=contexts) as ends:
        result = await store_on(ends.ours, instance())
        assert isinstance(result.failure, SyntaxRefused)
        assert ends.ours.lost is None


async def test_compressed_pixels_are_not_re_encoded() -> None:
    async with both(requestor=True, contexts=[context(3, EXPLICIT_LE)]) as ends:
        result = await store_on(ends.ours, instance(JPEG))
        assert isinstance(result.failure, SyntaxRefused)


@pytest.mark.parametrize(
    ("status", "failure", "warned"),
    [
        (0x0000, None, False),
        (0xB000, None, True),
        (0xB006, None, True),
        (0xB007, None, True),
        (0x0001, None, True),
        (0x0107, None, True),
        (0x0116, None, True),
        (0xA700, OutOfResources, False),
        (0xA7FF, OutOfResources, False),
        (0xA900, ClassMismatch, False),
        (0xC000, BadDataset, False),
        (0xC111, Conflict, False),
        (0x0122, ClassRefused, False),
        (0x0124, CredentialsRefused, False),
        (0x0211, BackendFault, False),
        (0xFF00, BackendFault, False),
        (0xFE00, BackendFault, False),
        (None, BackendFault, False),
    ],
)
async def test_the_status_decides_what_became_of_it(
    status: int | None, failure: type[Exception] | None, warned: int
) -> None:
    async with both(requestor=True) as ends:
        result, _, _ = await stored(ends, instance(), status)
        assert type(result.failure) is (failure or type(None))
        assert bool(result.warnings) == warned


async def failing(*before: bytes) -> AsyncIterator[bytes]:
    for each in before:
        yield each
    raise BackendFault("the disk is gone")


async def test_a_source_that_fails_at_once_spares_the_association() -> None:
    async with both(requestor=True) as ends:
        with pytest.raises(BackendFault, match="disk"):
            await store_on(ends.ours, instance(chunks=failing()))
        assert ends.ours.lost is None
        result, _, _ = await stored(ends, instance())
        assert result.failure is None


async def test_a_source_that_fails_in_the_middle_costs_the_association() -> None:
    async with both(requestor=True) as ends:
        result = await store_on(ends.ours, instance(chunks=failing(bytes(MAX_OURS), b"two")))
        assert result.failure is not None
        assert ends.ours.lost is not None


async def test_what_cannot_be_re_encoded_spares_the_association_when_nothing_left() -> None:
    async with both(requestor=True, contexts=[context(3, IMPLICIT_LE)]) as ends:
        with pytest.raises(BadDataset):
            await store_on(ends.ours, instance(EXPLICIT_LE, pieces(b"\xff" * 100)))
        assert ends.ours.lost is None


async def test_a_peer_that_goes_away_is_a_failure_of_the_instance() -> None:
    async with both(requestor=True) as ends, asyncio.TaskGroup() as tasks:
        storing = tasks.create_task(store_on(ends.ours, instance()))
        await ends.peer.message()
        ends.peer.reset()
        assert isinstance((await storing).failure, BackendError)
