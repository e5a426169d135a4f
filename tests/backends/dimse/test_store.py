from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pynetdicom import evt
from pynetdicom.events import Event
from tests import peers, samples
from tests.backends.dimse.conftest import calls, once
from tests.imaging import images
from tests.liar import Liar, Said, answer, lying

from hilum.backends.dimse.store import PeerStores, plan
from hilum.cli.walk.study import study
from hilum.codec import pdu
from hilum.codec.associate import Answered
from hilum.codec.part10 import read_head
from hilum.codec.sop_class import DEFLATED_LE, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, UNCOMPRESSED
from hilum.config.imaging import ImagingSettings
from hilum.core.backend import StoreSession
from hilum.core.operations import Originator
from hilum.model.errors import (
    BackendFault,
    BackendUnavailable,
    BadDataset,
    BadRequest,
    ClassMismatch,
    CredentialsRefused,
    OutOfResources,
    SyntaxRefused,
)
from hilum.model.instance import Instance
from hilum.upper_layer.standing import AssociationRejected
from hilum.workshop.pool import Workshop, open_workshop
from hilum.workshop.transcodes import Transcoder

pytestmark = pytest.mark.anyio
SLICES = study("PEER_STORES").slices
CT = SLICES[0].sop_class_uid
JPEG, J2K = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90"
RLE, VIDEO = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.102"
NEED = (CT, EXPLICIT_LE)


def instance(at: int = 0, syntax: str = EXPLICIT_LE) -> Instance:
    one = SLICES[at]
    return Instance(one.sop_instance_uid, one.sop_class_uid, syntax, once(one.encoded))


@asynccontextmanager
async def session(port: int, *needs: tuple[str, str]) -> AsyncIterator[StoreSession]:
    async with PeerStores(calls(port, "LIAR")).open(needs) as opened:
        yield opened


def file(path: Path) -> tuple[Instance, bytes]:
    """The instance in a file, and its encoded data set."""
    data = path.read_bytes()
    head = read_head(data, complete=True)
    assert head is not None
    encoded = data[head.offset :]
    read = dcmread(path, stop_before_pixels=True)
    made = Instance(
        str(read.SOPInstanceUID), str(read.SOPClassUID), head.transfer_syntax_uid, once(encoded)
    )
    return made, encoded


WANTED = (
    "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_expb.dcm", "MR_small_implicit.dcm",
    "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "CT_small.dcm", "JPEG2000.dcm",
    "wave_dfl.dcm", "SC_rgb_rle.dcm",
)  # fmt: skip
FILES = [path for path in (*samples.GOOD, *samples.DUP) if path.name in WANTED]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
async def test_storescp_gets_the_very_bytes_in_every_syntax(path: Path, tmp_path: Path) -> None:
    made, encoded = file(path)
    with peers.storescp(tmp_path / "got", options=["--bit-preserving"]) as peer:
        remote = calls(peer.port, peer.aet)
        async with PeerStores(remote).open([(made.sop_class_uid, made.transfer_syntax_uid)]) as one:
            stored = await one.store(made)
        assert stored.failure is None
        [got] = peer.files()
        data = got.read_bytes()
    head = read_head(data, complete=True)
    assert head is not None
    assert head.transfer_syntax_uid == made.transfer_syntax_uid
    assert data[head.offset :] == encoded + b"\0" * (len(encoded) & 1)


@pytest.mark.parametrize("syntax", [IMPLICIT_LE, EXPLICIT_BE])
async def test_a_peer_that_takes_another_uncompressed_syntax_gets_that(syntax: str) -> None:
    got: list[object] = []

    def handle(event: Event) -> int:
        event.dataset.file_meta = event.file_meta
        got.append(event.dataset.PixelData)
        got.append(str(event.file_meta.TransferSyntaxUID))
        return 0

    with peers.pynetdicom({evt.EVT_C_STORE: handle}, [(CT, [syntax])]) as port:
        async with session(port, NEED) as one:
            assert (await one.store(instance())).failure is None
    pixels, stored_as = got
    assert stored_as == syntax
    assert isinstance(pixels, bytes)
    expected = dcmread_pixels(SLICES[0].part10)
    assert pixels == (expected if syntax == IMPLICIT_LE else swapped(expected))


def dcmread_pixels(part10: bytes) -> bytes:
    return bytes(dcmread(BytesIO(part10)).PixelData)


def swapped(words: bytes) -> bytes:
    return b"".join(words[at + 1 : at + 2] + words[at : at + 1] for at in range(0, len(words), 2))


async def test_what_cannot_be_reencoded_fails_and_says_why() -> None:
    async def script(one: Liar) -> None:
        says = await one.accept(answers=[Answered(1, 4, "")])
        assert [each.transfer_syntaxes for each in says.contexts] == [(JPEG,)]
        await one.message()

    async with lying(script) as port, session(port, (CT, JPEG)) as one:
        stored = await one.store(instance(syntax=JPEG))
    assert isinstance(stored.failure, SyntaxRefused)


async def answering(one: Liar, asked: list[Said], status: int = 0) -> None:
    await one.accept()
    while said := await one.message():
        asked.append(said)
        one.say(answer(said, status), context_id=said.context_id)


async def test_instances_go_out_one_after_another_on_one_association() -> None:
    asked: list[Said] = []
    connections = 0

    async def script(one: Liar) -> None:
        nonlocal connections
        connections += 1
        await answering(one, asked)

    async with lying(script) as port, session(port, NEED) as one:
        for at in range(3):
            assert (await one.store(instance(at))).failure is None
    assert connections == 1
    assert [each.data for each in asked] == [each.encoded for each in SLICES[:3]]
    assert len({each.command.message_id for each in asked}) == 3


async def test_who_asked_for_the_move_is_named() -> None:
    asked: list[Said] = []
    async with lying(lambda one: answering(one, asked)) as port:
        stores = PeerStores(calls(port, "LIAR"))
        async with stores.open([NEED], Originator("MOVER", 17)) as one:
            await one.store(instance())
    assert asked[0].command.move_originator_ae_title == "MOVER"
    assert asked[0].command.move_originator_message_id == 17


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (0xA700, OutOfResources),
        (0xA900, ClassMismatch),
        (0xC000, BadDataset),
        (0x0110, BackendFault),
        (0x0124, CredentialsRefused),
    ],
)
async def test_a_failure_of_the_peer_is_told(status: int, kind: type[Exception]) -> None:
    async with lying(lambda one: answering(one, [], status)) as port, session(port, NEED) as one:
        stored = await one.store(instance())
    assert isinstance(stored.failure, kind)
    assert f"({status:04X})" in str(stored.failure)


async def test_a_warning_of_the_peer_is_a_warning() -> None:
    async with lying(lambda one: answering(one, [], 0xB007)) as port, session(port, NEED) as one:
        stored = await one.store(instance())
    assert stored.failure is None
    assert len(stored.warnings) == 1


async def test_a_peer_that_ends_the_association_is_called_again_for_the_next_one() -> None:
    asked: list[Said] = []
    connections = 0

    async def script(one: Liar) -> None:
        nonlocal connections
        connections += 1
        if connections == 1:
            await one.accept()
            await one.message()
            return
        await answering(one, asked)

    async with lying(script) as port, session(port, NEED) as one:
        assert isinstance((await one.store(instance(0))).failure, BackendUnavailable)
        assert (await one.store(instance(1))).failure is None
    assert (connections, len(asked)) == (2, 1)


async def test_more_than_128_contexts_take_a_second_association() -> None:
    proposals: list[int] = []

    async def script(one: Liar) -> None:
        says = await one.accept()
        proposals.append(len(says.contexts))
        while said := await one.message():
            one.say(answer(said, 0), context_id=said.context_id)

    needs = [(f"1.2.3.{at}", JPEG) for at in range(130)]
    async with lying(script) as port, session(port, *needs) as one:
        for at in (0, 129, 1):
            made = Instance(f"1.2.4.{at}", f"1.2.3.{at}", JPEG, once(b"\0\0"))
            assert (await one.store(made)).failure is None
    assert proposals[0] == 128
    assert all(count <= 128 for count in proposals)
    assert len(proposals) >= 2


async def test_what_was_not_planned_for_is_sent_all_the_same() -> None:
    asked: list[Said] = []
    async with lying(lambda one: answering(one, asked)) as port, session(port) as one:
        assert (await one.store(instance())).failure is None
    assert len(asked) == 1


async def test_a_peer_that_is_not_there_is_told_on_opening() -> None:
    with pytest.raises(BackendUnavailable):
        async with session(peers.free_port(), NEED):
            pytest.fail("nobody is there")


async def test_a_peer_that_cannot_be_reached_is_called_once_for_all() -> None:
    async with session(peers.free_port()) as one:
        for at in range(3):
            assert isinstance((await one.store(instance(at))).failure, BackendUnavailable)


async def test_a_rejected_association_fails_what_was_to_go_out_on_it() -> None:
    async def script(one: Liar) -> None:
        await one.requested()
        one.raw(pdu.encode(pdu.Rejected(1, 1, 3)))

    async with lying(script) as port, session(port) as one:
        assert isinstance((await one.store(instance())).failure, AssociationRejected)


def test_each_need_has_a_context_of_its_own_and_one_to_be_reencoded_into() -> None:
    wanted, covered = plan(NEED, [NEED, (CT, JPEG)])
    assert wanted == [
        (CT, (EXPLICIT_LE,)),
        (CT, (IMPLICIT_LE, EXPLICIT_BE)),
        (CT, (JPEG,)),
    ]
    assert covered == {NEED, (CT, JPEG)}


def test_the_one_that_is_needed_now_comes_first_and_never_too_many() -> None:
    needs = [(f"1.2.3.{at}", EXPLICIT_LE) for at in range(200)]
    wanted, covered = plan(needs[150], needs)
    assert wanted[0] == ("1.2.3.150", (EXPLICIT_LE,))
    assert len(wanted) == 128
    assert needs[150] in covered
    assert len(covered) == 64


def test_a_deflated_instance_may_go_out_inflated() -> None:
    wanted, _ = plan((CT, DEFLATED_LE), [])
    assert wanted[0] == (CT, (DEFLATED_LE,))
    assert EXPLICIT_LE in wanted[1][1]


def test_a_compressed_instance_may_go_out_decoded_where_somebody_decodes(tmp_path: Path) -> None:
    settings = ImagingSettings()
    transcoder = Transcoder(Workshop(settings), settings, tmp_path)
    needs = [(CT, J2K), (CT, RLE), (CT, VIDEO)]
    assert plan(needs[0], needs, transcoder)[0] == [
        (CT, (J2K,)),
        (CT, (EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE)),
        (CT, (RLE,)),
        (CT, (VIDEO,)),
    ]
    assert plan(needs[0], needs)[0] == [(CT, (J2K,)), (CT, (RLE,)), (CT, (VIDEO,))]


COMPRESSED = [path for path in FILES if images.sample(path)[1] not in UNCOMPRESSED]


@pytest.mark.parametrize("accepted", [IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE])
@pytest.mark.parametrize("path", COMPRESSED, ids=lambda path: path.name)
async def test_a_peer_that_takes_no_compressed_pixels_gets_them_decoded(
    path: Path, accepted: str, tmp_path: Path
) -> None:
    got: list[Dataset] = []

    def handle(event: Event) -> int:
        event.dataset.file_meta = event.file_meta
        got.append(event.dataset)
        return 0

    made, _ = file(path)
    settings = ImagingSettings(processes=1)
    with peers.pynetdicom({evt.EVT_C_STORE: handle}, [(made.sop_class_uid, [accepted])]) as port:
        async with open_workshop(settings) as workshop:
            transcoder = Transcoder(workshop, settings, tmp_path)
            stores = PeerStores(calls(port, "LIAR"), transcodes=transcoder)
            async with stores.open([(made.sop_class_uid, made.transfer_syntax_uid)]) as one:
                assert (await one.store(made)).failure is None
    [there] = got
    here = images.dataset(path)
    assert there.file_meta.TransferSyntaxUID == accepted
    assert there.SOPInstanceUID == here.SOPInstanceUID
    if "PixelData" in here:
        assert np.array_equal(there.pixel_array, here.pixel_array)
        assert there.get("LossyImageCompression") == here.get("LossyImageCompression")


async def test_pixels_that_cannot_be_decoded_fail_alone(tmp_path: Path) -> None:
    asked: list[Said] = []

    async def script(one: Liar) -> None:
        await one.accept(answers=[Answered(1, 4, ""), Answered(3, 0, EXPLICIT_LE)])
        while said := await one.message():
            asked.append(said)
            one.say(answer(said, 0), context_id=said.context_id)

    settings = ImagingSettings(processes=1)
    async with lying(script) as port, open_workshop(settings) as workshop:
        transcoder = Transcoder(workshop, settings, tmp_path)
        stores = PeerStores(calls(port, "LIAR"), transcodes=transcoder)
        async with stores.open([(CT, J2K)]) as one:
            stored = await one.store(instance(syntax=J2K))
    assert isinstance(stored.failure, BadRequest)
    assert asked == []
