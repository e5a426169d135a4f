import tracemalloc
from pathlib import Path

import pytest
from tests.backends.archive import opened
from tests.backends.archive.opened import find, keep
from tests.contract import made
from tests.contract.made import Made, uid

from hilum.backends.archive.deflated import (
    ROOM,
    Dictionaries,
    as_dictionary,
    deflate,
    dictionary_of,
    inflate,
)
from hilum.codec import dicom_json
from hilum.model.identity import Level, Ref


def test_what_is_deflated_is_inflated_again() -> None:
    text = b"abc" * 1000
    for dictionary in (b"", b"x", text, bytes(40_000)):
        assert inflate(deflate(text, dictionary), dictionary) == text
    assert dictionary_of(None) == b""
    assert dictionary_of(deflate(text)) == text
    assert as_dictionary(bytes(33_000)) == b""


def test_what_is_known_is_bounded() -> None:
    known = Dictionaries()
    for n in range(1000):
        known.put("1", str(n), bytes(ROOM // 100))
    assert known.get("1", "999")
    assert known.get("1", "0") == b""


def test_a_dictionary_takes_no_more_memory_than_it_is_long() -> None:
    text = dicom_json.dumps({f"{tag:08X}": {"vr": "LO", "Value": ["a" * 20]} for tag in range(200)})
    tracemalloc.start()
    try:
        kept = [as_dictionary(text) for _ in range(100)]
        assert tracemalloc.get_traced_memory()[0] < len(kept) * (len(text) + 1000)
    finally:
        tracemalloc.stop()


async def described(archive: opened.Archive) -> list[bytes]:
    async with archive.describe(Ref(study=uid(1)), "http://h") as objects:
        return [each async for each in objects]


@pytest.mark.anyio
async def test_metadata_are_right_whatever_becomes_of_the_first_of_a_series(
    tmp_path: Path,
) -> None:
    def version(n: int, text: str) -> Made:
        return made.made(1, 1, n, ImageComments=text, PatientComments="the same " * 100)

    async with opened.archive(tmp_path, "replace") as archive:
        await keep(archive, *(version(n, "first") for n in range(1, 6)))
        first = await described(archive)
        await keep(archive, version(1, "second"))
        await keep(archive, made.made(1, 1, 9, ImageComments="x" * 9000))
    async with opened.archive(tmp_path, "replace") as archive:
        await keep(archive, version(6, "later"))
        metadata = await described(archive)
        assert metadata[1:5] == first[1:5]
        assert metadata[0] == first[0].replace(b"first", b"second")
        assert metadata[5] == first[0].replace(b"first", b"later").replace(
            uid(1, 1, 1).encode(), uid(1, 1, 6).encode()
        ).replace(b'"00200013":{"vr":"IS","Value":[1]}', b'"00200013":{"vr":"IS","Value":[6]}')
        for text, count in (("first", 4), ("second", 1), ("x*", 1)):
            assert len(await find(archive, Level.IMAGE, t00204000=text)) == count
        # the whole series goes elsewhere, and comes back as another
        for n in (1, 2, 3, 4, 5, 6, 9):
            await keep(archive, made.made(1, 1, n, SeriesInstanceUID=uid(1, 7)))
        await keep(archive, *(version(n, "third") for n in range(1, 6)))
        assert len(await find(archive, Level.IMAGE, t00204000="third")) == 5
        assert len(await described(archive)) == 7
