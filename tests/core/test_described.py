"""Metadata made of instances is the metadata that whoever holds them gives."""

import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)
from tests.codec.test_prefix import encapsulated
from tests.contract import made
from tests.contract.made import Made, uid

from hilum.backends.memory import Memory
from hilum.codec import dicom_json
from hilum.core.backend import Describes, Retrieval
from hilum.core.described import Described
from hilum.model.errors import BackendFault, BackendUnavailable, Incomplete, NotFound, NotOffered
from hilum.model.identity import Ref
from hilum.model.instance import Instance
from hilum.model.query import Path

pytestmark = pytest.mark.anyio

ROOT = "http://h/aets/A"
PIXELS: Path = (0x7FE00010,)


async def memory(*instances: Made) -> Memory:
    kept = Memory("HERE")
    async with kept.open() as session:
        for each in instances:
            assert (await session.store(each.instance())).failure is None
    return kept


class Pieces:
    """A source that gives small chunks, and does as it is told with some instances."""

    def __init__(self, kept: Memory, *, step: int = 5000, fails: str = "", lost: str = "") -> None:
        self._kept = kept
        self._step = step
        self._fails = fails
        self._lost = lost
        self.read = 0

    @asynccontextmanager
    async def retrieve(self, refs: Sequence[Ref], /) -> AsyncIterator[Retrieval]:
        async with self._kept.retrieve(refs) as retrieval:
            yield Retrieval(retrieval.manifest, self._each(retrieval))

    async def _each(self, retrieval: Retrieval) -> AsyncIterator[Instance]:
        lost = False
        async for each in retrieval.instances:
            if each.sop_instance_uid == self._lost:
                lost = True
            else:
                yield replace(each, chunks=self._chunks(each))
        if lost:
            raise Incomplete("one did not come", (self._lost,))

    async def _chunks(self, instance: Instance) -> AsyncIterator[bytes]:
        async for chunk in instance.chunks:
            for at in range(0, len(chunk), self._step):
                if instance.sop_instance_uid == self._fails:
                    raise BackendUnavailable("gone")
                self.read += 1
                yield chunk[at : at + self._step]


async def objects(describes: Describes, ref: Ref) -> list[dict[str, Any]]:
    async with describes.describe(ref, ROOT) as found:
        return [dicom_json.loads(each) async for each in found]


async def value(describes: Describes, ref: Ref, path: Path) -> tuple[int | None, bool, bytes]:
    async with describes.bulk(ref, path) as bulk:
        data = b"".join([chunk async for chunk in bulk.chunks])
        return bulk.size, bulk.encapsulated, data


def big(n: int, syntax: str = ExplicitVRLittleEndian) -> Made:
    return made.of(
        made.dataset(
            1,
            1,
            n,
            PixelData=bytes(range(256)) * 1000,
            EncapsulatedDocument=b"%PDF" * 5000,
            IconImageSequence=[{"PixelData": bytes(range(200)) * 10, "Rows": 2}],
            PatientName="Müller",
        ),
        syntax,
    )


def here(n: int) -> Ref:
    return Ref(uid(1), uid(1, 1), uid(1, 1, n))


def jpeg(frames: Sequence[bytes]) -> Made:
    return Made(encapsulated(list(frames)), made.CT, uid(1, 1, 1), JPEGBaseline8Bit)


def deflated(plain: Made) -> Made:
    deflater = zlib.compressobj(wbits=-15)
    data = deflater.compress(plain.data) + deflater.flush()
    return replace(plain, data=data, transfer_syntax_uid=DeflatedExplicitVRLittleEndian)


@pytest.mark.parametrize(
    "one",
    [
        made.made(),
        big(1),
        big(1, ImplicitVRLittleEndian),
        big(1, ExplicitVRBigEndian),
        jpeg([bytes(50_000), b"x" * 30]),
        jpeg([b"x" * 30]),
        deflated(big(1)),
    ],
    ids=["small", "explicit", "implicit", "big", "jpeg", "short jpeg", "deflated"],
)
@pytest.mark.parametrize("step", [100, 5000, 1024 * 1024])
async def test_what_is_made_is_what_the_holder_gives(one: Made, step: int) -> None:
    kept = await memory(one)
    described = Described(Pieces(kept, step=step))
    assert await objects(described, Ref(uid(1))) == await objects(kept, Ref(uid(1)))
    for path in (PIXELS, (0x00420011,), (0x00880200, 0, 0x7FE00010)):
        try:
            theirs = await value(kept, here(1), path)
        except NotFound:
            with pytest.raises(NotFound):
                await value(described, here(1), path)
            continue
        ours = await value(described, here(1), path)
        assert ours[1:] == theirs[1:]
        assert ours[0] == theirs[0] or (ours[0] is None and ours[1])


async def test_pixels_are_not_read_for_metadata() -> None:
    source = Pieces(await memory(big(1)), step=5000)
    assert len(await objects(Described(source), Ref(uid(1)))) == 1
    assert source.read < 20


async def test_what_is_not_there_is_not_found() -> None:
    described = Described(Pieces(await memory(made.made())))
    assert await objects(described, Ref(uid(9))) == []
    for ref, path in (
        (Ref(uid(9), uid(9), uid(9)), PIXELS),
        (Ref(uid(1)), PIXELS),
        (here(1), (0x00420011,)),
        (here(1), ()),
    ):
        with pytest.raises(NotFound):
            await value(described, ref, path)


async def gathered(describes: Describes, came: list[bytes]) -> None:
    async with describes.describe(Ref(uid(1)), ROOT) as found:
        async for each in found:
            came.append(each)  # noqa: PERF401 - it is to be seen when the end is an error


async def test_those_that_cannot_be_had_are_named_at_the_end() -> None:
    source = Pieces(
        await memory(big(1), big(2), big(3), big(4)), fails=uid(1, 1, 2), lost=uid(1, 1, 3)
    )
    came: list[bytes] = []
    with pytest.raises(Incomplete) as raised:
        await gathered(Described(source), came)
    assert len(came) == 2
    assert set(raised.value.missing) == {uid(1, 1, 2), uid(1, 1, 3)}
    assert raised.value.count == 2


async def test_a_value_that_ends_too_early_is_a_fault() -> None:
    whole = big(1)
    short = replace(whole, data=whole.data[:-100_000])
    with pytest.raises(BackendFault):
        await value(Described(Pieces(await memory(short))), here(1), PIXELS)


class Offers:
    """Describes what another one does, or does not."""

    def __init__(self, kept: Memory | None) -> None:
        self._kept = kept

    def describe(
        self, ref: Ref, bulk_root: str, /
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        if self._kept is None:
            raise NotOffered("none")
        return self._kept.describe(ref, bulk_root)

    def bulk(self, ref: Ref, path: Path, /) -> Any:
        if self._kept is None:
            raise NotOffered("none")
        return self._kept.bulk(ref, path)


async def test_the_far_side_is_not_asked_for_what_is_here() -> None:
    kept, other = await memory(made.made()), await memory(made.made(PatientName="Roe"))
    described = Described(Pieces(kept), Offers(other), {Ref(uid(1)), here(1)}.__contains__)
    (found,) = await objects(described, Ref(uid(1)))
    assert found["00100010"]["Value"] == [{"Alphabetic": "Doe^Jane"}]
    (found,) = await objects(described, Ref(uid(1), uid(1, 1)))
    assert found["00100010"]["Value"] == [{"Alphabetic": "Roe"}]
    assert (await value(described, here(1), PIXELS))[2][:1] == b"\1"


@pytest.mark.parametrize("offered", [True, False])
async def test_the_far_side_is_asked_first(*, offered: bool) -> None:
    kept, other = await memory(made.made()), await memory(made.made(PatientName="Roe"))
    described = Described(Pieces(kept), Offers(other if offered else None))
    (found,) = await objects(described, Ref(uid(1)))
    assert found["00100010"]["Value"] == [{"Alphabetic": "Roe" if offered else "Doe^Jane"}]
    assert (await value(described, here(1), PIXELS))[2][:1] == b"\1"
