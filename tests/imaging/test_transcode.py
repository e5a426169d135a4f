import mmap
import tracemalloc
import warnings
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import parse_basic_offsets
from pydicom.filebase import DicomBytesIO
from tests.imaging.images import BASELINE, element, encapsulated, header, images, native, sample

from hilum.codec.dicom_json import Attributes, from_encoded
from hilum.codec.header import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from hilum.codec.part10 import encode_meta
from hilum.imaging import codecs, transcode
from hilum.imaging.decode import decode
from hilum.imaging.index import frame
from hilum.imaging.read import look
from hilum.imaging.transcode import transcode_possible
from hilum.model.errors import BadPixels, HilumError, NotAcceptable

TARGETS = [
    *(IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED, codecs.RLE_LOSSLESS),
    *(codecs.LOSSLESS_SV1, codecs.JLS_LOSSLESS, codecs.J2K_LOSSLESS, codecs.HTJ2K_LOSSLESS),
    *(codecs.DEFLATED_FRAMES, codecs.ENCAPSULATED_NATIVE),
]
MAY_CHANGE = {
    *("00280004", "00280006", "00280101", "00280102", "00282110", "00282114"),
    *("7FE00001", "7FE00002", "7FE00010", "FFFCFFFC"),
}


def transcoded(data: bytes, source: str, target: str) -> bytes:
    out: list[bytes] = []
    transcode.transcode(data, source, target, out.append)
    return b"".join(out)


def frames_of(data: bytes, syntax: str) -> list[np.ndarray[Any, Any]]:
    looked = look(data, syntax)
    if looked.inflated:
        return frames_of(transcoded(data, syntax, EXPLICIT_LITTLE), EXPLICIT_LITTLE)
    assert looked.pixels is not None
    assert looked.index is not None
    return [
        decode(
            frame(data, looked.index, each), looked.pixels, looked.index.bit(each), rgb=True
        ).array
        for each in range(looked.index.frames)
    ]


def parsed(data: bytes, syntax: str) -> dict[int, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = encode_meta("1.2.3", "1.2.3.4", syntax) + data
        dataset = dcmread(DicomBytesIO(file), force=True)
        return {each.tag: each for each in dataset if each.tag.element}


def described(data: bytes, syntax: str) -> Attributes:
    return from_encoded(data, syntax, inline_limit=1 << 20).attributes


def alike(old: Any, new: Any) -> bool:
    """Whether values are the same; what implicit VR does not know is not looked at."""
    if isinstance(old, list):
        return len(old) == len(new) and all(map(alike, old, new))
    if isinstance(old, dict) and "vr" in old:
        return bool(old["vr"] != new["vr"] or alike(old.get("Value"), new.get("Value")))
    if isinstance(old, dict):
        return old.keys() == new.keys() and all(alike(old[key], new[key]) for key in old)
    return bool(old == new)


WHOLE = [
    each
    for each in images()
    if codecs.can_decode(sample(each)[1]) and not each.name.startswith(("MR_trunc", "GH177"))
]


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.name)
def test_every_sample_keeps_its_pixels_and_its_header(path: Path) -> None:
    data, source = sample(path)
    try:
        before = frames_of(data, source)
    except BadPixels:
        return
    large = sum(each.size for each in before) > 1_000_000  # then it takes long
    for target in (EXPLICIT_LITTLE, codecs.JLS_LOSSLESS) if large else TARGETS:
        if target == source:
            continue
        try:
            after = transcoded(data, source, target)
        except NotAcceptable:
            continue
        looked = look(after, target)
        assert looked.pixels is not None
        assert len(after) % 2 == 0
        theirs = frames_of(after, target)
        assert len(theirs) == len(before)
        for ours, other in zip(before, theirs, strict=True):
            assert ours.dtype == other.dtype
            assert np.array_equal(ours, other), target
        old, new = described(data, source), described(after, target)
        for tag in (old.keys() | new.keys()) - MAY_CHANGE:
            assert tag in old, tag
            assert tag in new, tag
            assert alike(old[tag], new[tag]), tag


def test_there_and_back_is_the_same_bytes() -> None:
    seen = 0
    for path in WHOLE:
        data, source = sample(path)
        looked = look(data, source)
        assert looked.pixels is not None
        if source != EXPLICIT_LITTLE or looked.pixels.allocated != 16:
            continue
        there = transcoded(data, source, codecs.RLE_LOSSLESS)
        back = transcoded(there, codecs.RLE_LOSSLESS, EXPLICIT_LITTLE)
        assert look(back, EXPLICIT_LITTLE).pixels is not None
        assert frames_of(back, EXPLICIT_LITTLE)[0].tobytes() == frames_of(data, source)[0].tobytes()
        seen += 1
    assert seen


def test_a_file_in_memory_is_read_in_place(tmp_path: Path) -> None:
    data = header(8, 8, "3") + native(bytes(range(192)))
    for source, target in (
        (EXPLICIT_LITTLE, codecs.RLE_LOSSLESS),
        (codecs.RLE_LOSSLESS, "1.2.840.10008.1.2"),
    ):
        (tmp_path / "image").write_bytes(data)
        with (
            (tmp_path / "image").open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole,
            memoryview(whole) as view,
        ):
            out: list[bytes] = []
            transcode.transcode(view, source, target, out.append)
            assert b"".join(out) == transcoded(data, source, target)
        data = b"".join(out)
    assert data.endswith(bytes(range(192)))


@pytest.mark.parametrize("part", [b"", bytes(100)])
def test_an_error_does_not_hold_the_file(tmp_path: Path, part: bytes) -> None:
    data = header(8, 8, "2") + native(part)
    (tmp_path / "image").write_bytes(data)
    with (
        pytest.raises(BadPixels),
        (tmp_path / "image").open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole,
        memoryview(whole) as view,
    ):
        transcode.transcode(view, EXPLICIT_LITTLE, codecs.RLE_LOSSLESS, lambda _: None)


def test_a_basic_offset_table_names_each_frame() -> None:
    data = header(8, 8, "3") + native(bytes(range(192)))
    after = transcoded(data, EXPLICIT_LITTLE, codecs.RLE_LOSSLESS)
    pixels = parsed(after, codecs.RLE_LOSSLESS)[0x7FE00010].value
    offsets = parse_basic_offsets(pixels)
    assert len(offsets) == 3
    assert [int.from_bytes(pixels[20 + at : 22 + at], "little") for at in offsets] == [0xFFFE] * 3


def test_many_bytes_of_frames_are_not_kept_for_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcode, "HELD", 100)
    data = header(8, 8, "3") + native(bytes(range(192)))
    after = transcoded(data, EXPLICIT_LITTLE, codecs.RLE_LOSSLESS)
    assert parse_basic_offsets(parsed(after, codecs.RLE_LOSSLESS)[0x7FE00010].value) == []
    assert np.concatenate(frames_of(after, codecs.RLE_LOSSLESS)).tobytes() == bytes(range(192))


def test_a_large_instance_takes_the_memory_of_a_few_frames() -> None:
    frames = 200
    data = header(512, 512, str(frames)) + native(bytes(512 * 512 * frames))
    tracemalloc.start()
    try:
        transcode.transcode(data, EXPLICIT_LITTLE, codecs.RLE_LOSSLESS, lambda _: None)
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_frames_of_single_bits_are_packed_together() -> None:
    bits = np.random.default_rng(3).integers(0, 2, (3, 3, 5), np.uint8)
    data = header(3, 5, "3", allocated=1)
    data += native(np.packbits(bits.reshape(-1), bitorder="little").tobytes())
    apart = transcoded(data, EXPLICIT_LITTLE, codecs.DEFLATED_FRAMES)
    together = transcoded(apart, codecs.DEFLATED_FRAMES, EXPLICIT_LITTLE)
    assert together[-6:] == data[-6:]


def test_what_was_lossy_stays_so() -> None:
    for path in WHOLE:
        data, source = sample(path)
        if source != BASELINE:
            continue
        after = parsed(transcoded(data, source, EXPLICIT_LITTLE), EXPLICIT_LITTLE)
        assert after[0x00282110].value == "01"
        assert "ISO_10918_1" in after[0x00282114].value


def test_an_instance_without_pixels_can_be_uncompressed_only() -> None:
    report = element(0x00080060, "CS", b"SR")
    assert transcoded(report, BASELINE, IMPLICIT_LITTLE) == b"\x08\0\x60\0\2\0\0\0SR"
    with pytest.raises(NotAcceptable):
        transcoded(report, EXPLICIT_LITTLE, codecs.RLE_LOSSLESS)


def test_uncompressed_pixels_that_one_element_cannot_hold() -> None:
    frames = 40_000
    fragment = pack("<16L", 1, 64, *bytes(14)) + b"\x81\0" * 2048
    data = header(512, 512, str(frames)) + encapsulated([fragment] * frames)
    with pytest.raises(NotAcceptable, match="more than one element can hold"):
        transcoded(data, codecs.RLE_LOSSLESS, EXPLICIT_LITTLE)


def test_tables_of_the_old_encoding_go() -> None:
    data = header(2, 3, "2") + encapsulated([b"\0" * 6, b"\1" * 6], extended=[0, 14])
    after = transcoded(data, codecs.ENCAPSULATED_NATIVE, EXPLICIT_LITTLE)
    assert 0x7FE00001 not in parsed(after, EXPLICIT_LITTLE)
    assert after.endswith(b"\0" * 6 + b"\1" * 6)


@pytest.mark.parametrize(
    ("source", "target", "possible"),
    [
        (EXPLICIT_LITTLE, IMPLICIT_LITTLE, True),
        (EXPLICIT_LITTLE, codecs.J2K_LOSSLESS, True),
        (BASELINE, EXPLICIT_LITTLE, True),
        (EXPLICIT_LITTLE, BASELINE, False),
        (EXPLICIT_LITTLE, codecs.JLS_NEAR, False),
        ("1.2.840.10008.1.2.4.102", EXPLICIT_LITTLE, False),
        (EXPLICIT_LITTLE, "1.2.3", False),
    ],
)
def test_what_is_possible(source: str, target: str, possible: bool) -> None:  # noqa: FBT001
    assert transcode_possible(source, target) == possible


@pytest.mark.parametrize("name", ["US1_RLE.dcm", "MR_small_RLE.dcm", "examples_jpeg2k.dcm"])
def test_a_file_that_ends_early_is_an_error(name: str) -> None:
    for path in WHOLE:
        if path.name == name:
            data, source = sample(path)
            start = data.index(b"\xe0\x7f\x10\x00") + 20
            for end in range(start, len(data) - 8, len(data) // 7):
                with pytest.raises(HilumError):
                    transcoded(data[:end], source, EXPLICIT_LITTLE)
