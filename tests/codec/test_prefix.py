from pathlib import Path
from struct import pack

import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)
from tests import samples
from tests.contract import made

from hilum.codec import dicom_json, part10
from hilum.codec.deflate import inflate
from hilum.codec.header import PIXELS, syntax_of
from hilum.codec.prefix import MAX_PREFIX, Prefix
from hilum.model.errors import BadDataset

SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]


def read(data: bytes, syntax: str, step: int) -> tuple[Prefix, list[bytes]]:
    """The parser after all bytes, and the long values that it gave."""
    prefix, values = Prefix(syntax), []
    at = 0
    while at < len(data):
        long = prefix.feed(data[at : at + step])
        at += step
        if long is not None:
            value = [prefix.begun]
            while not long.ended and at < len(data):
                piece = data[at : at + step]
                taken, _ = long.take(piece)
                prefix.feed(b"")
                value.append(taken)
                after = len(piece) - len(taken)
                if long.ended:
                    prefix.feed(piece[len(piece) - after :])
                at += step
            values.append(b"".join(value))
    return prefix, values


def test_small_values_are_kept() -> None:
    for syntax in SYNTAXES:
        data = made.encoded(made.dataset(), syntax)
        prefix, values = read(data, syntax, 100)
        assert values == []
        assert prefix.data == data
        assert prefix.described() == dicom_json.from_encoded(data, syntax)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("step", [1000, 4096, 70_000])
def test_long_values_are_passed_over_and_what_follows_is_read(syntax: str, step: int) -> None:
    dataset = made.dataset(
        PixelData=bytes(range(256)) * 2000,
        EncapsulatedDocument=b"%PDF" * 40_000,
    )
    dataset.add_new(0x60003000, "OW", bytes(300_000))
    dataset.add_new(0xFFFAFFFA, "SQ", [])
    data = made.encoded(dataset, syntax)
    prefix = Prefix(syntax)
    for at in range(0, len(data), step):
        prefix.feed(data[at : at + step])
    assert len(prefix.data) < 200_000
    assert prefix.described().attributes == dicom_json.from_encoded(data, syntax).attributes


def encapsulated(frames: list[bytes]) -> bytes:
    dataset = made.dataset()
    del dataset.PixelData
    items = b"".join(pack("<HHL", 0xFFFE, 0xE000, len(each)) + each for each in [b"", *frames])
    head = pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    return made.encoded(dataset) + head + items + pack("<HHL", 0xFFFE, 0xE0DD, 0)


@pytest.mark.parametrize("step", [997, 5000, 100_000])
def test_an_encapsulated_value_is_its_items(step: int) -> None:
    data = encapsulated([bytes([n]) * 30_000 for n in range(5)])
    tail = pack("<HH2sHL", 0xFFFC, 0xFFFC, b"OB", 0, 4) + bytes(4)
    _, values = read(data + tail, JPEGBaseline8Bit, step)
    offset, length, _, is_encapsulated = dicom_json.bulk_at(data, JPEGBaseline8Bit, "7FE00010")
    assert is_encapsulated
    assert values == [data[offset : offset + length]]


def test_text_that_is_long_but_not_too_long_is_read() -> None:
    data = made.encoded(made.dataset(TextValue="x" * 500_000))
    prefix = Prefix(ExplicitVRLittleEndian)
    for at in range(0, len(data), 10_000):
        assert prefix.feed(data[at : at + 10_000]) is None
    assert prefix.described().attributes["0040A160"]["Value"] == ["x" * 500_000]


def feed_often(prefix: Prefix, data: bytes, times: int) -> None:
    for _ in range(times):
        prefix.feed(data)


def test_a_data_set_without_an_end_is_refused() -> None:
    item = pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    prefix = Prefix(ExplicitVRLittleEndian)
    prefix.feed(pack("<HH2sHL", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + item)
    element = pack("<HH2sHL", 0x0009, 0x1010, b"UN", 0, 1024 * 1024) + bytes(1024 * 1024)
    with pytest.raises(BadDataset, match="too long"):
        feed_often(prefix, element, 2 * MAX_PREFIX // len(element) + 2)


@pytest.mark.parametrize("path", samples.GOOD, ids=lambda path: path.name)
def test_samples_are_described_as_from_their_whole(path: Path) -> None:
    raw = path.read_bytes()
    head = part10.read_head(raw, complete=True)
    assert head is not None
    data, syntax = raw[head.offset :], head.transfer_syntax_uid
    if syntax_of(syntax).deflated:
        data, syntax = inflate(data)[0], ExplicitVRLittleEndian
    whole = dicom_json.from_encoded(data, syntax).attributes
    before = {tag: each for tag, each in whole.items() if int(tag, 16) <= max(PIXELS)}
    prefix = Prefix(syntax)
    for at in range(0, len(data), 16_000):
        long = prefix.feed(data[at : at + 16_000])
        if long is not None and long.tag in PIXELS:
            break
    found = prefix.described().attributes
    assert {tag: each for tag, each in found.items() if int(tag, 16) <= max(PIXELS)} == before


def test_a_deflated_data_set_comes_inflated() -> None:
    assert Prefix(DeflatedExplicitVRLittleEndian).transfer_syntax_uid == ExplicitVRLittleEndian
