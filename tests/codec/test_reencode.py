import json
import random
import shutil
import subprocess
import warnings
import zlib
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.pixels import pixel_array
from tests import samples

from hilum.codec.dicom_json import bulk_at, dumps, from_encoded
from hilum.codec.header import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, swapped
from hilum.codec.part10 import encode_meta, read_head
from hilum.codec.reencode import SYNTAXES, Reencoder, possible
from hilum.model.errors import BadDataset

CHANCE = random.Random(20)  # noqa: S311 - spoils files
NAMES = {
    IMPLICIT_LITTLE: "implicit", EXPLICIT_LITTLE: "explicit", EXPLICIT_BIG: "big",
    DEFLATED: "deflated",
}  # fmt: skip
OLD_FAULTS = {  # pydicom swaps 32-bit pixels in OW by four bytes, and 1-bit ones not at all
    ("rtdose.dcm", EXPLICIT_BIG),
    ("seg_image_sm_dots.dcm", EXPLICIT_BIG),
}


def native(paths: list[Path]) -> list[tuple[Path, int, str]]:
    """Files whose pixels are not encapsulated: path, where the data set begins, its syntax."""
    found = []
    for path in paths:
        try:
            head = read_head(path.read_bytes(), complete=True)
        except BadDataset:
            continue
        if head is not None and head.transfer_syntax_uid in SYNTAXES:
            found.append((path, head.offset, head.transfer_syntax_uid))
    return found


FILES = native(samples.GOOD + samples.DUP)
WAYS = [
    pytest.param(path, offset, source, target, id=f"{path.name}-{NAMES[target]}")
    for (path, offset, source), target in product(FILES, sorted(SYNTAXES))
    if source != target
]


def reencoded(data: bytes, source: str, target: str, step: int = 1 << 20) -> bytes:
    reencoder = Reencoder(source, target)
    pieces = [reencoder.feed(data[at : at + step]) for at in range(0, len(data), step)]
    return b"".join(pieces) + reencoder.close()


def without_private(attributes: dict[str, Any]) -> dict[str, Any]:
    """What the dictionaries know; others lose their VR in implicit VR."""
    return {
        key: [without_private(each) for each in found.get("Value", ())]
        if found["vr"] == "SQ"
        else found.get("Value")
        for key, found in attributes.items()
        if not int(key[3], 16) & 1
        and key[4:] != "0000"
        and found["vr"] not in ("OB", "OW", "UN", "OB or OW")
        # LUT Data of one entry is US or OW
        and key != "00283006"
    }


def test_only_uncompressed_syntaxes_are_possible():
    assert all(possible(source, target) for source, target in product(SYNTAXES, SYNTAXES))
    assert not possible("1.2.840.10008.1.2.4.50", EXPLICIT_LITTLE)
    assert not possible(EXPLICIT_LITTLE, "1.2.840.10008.1.2.4.50")
    with pytest.raises(ValueError, match="uncompressed"):
        Reencoder(EXPLICIT_LITTLE, "1.2.840.10008.1.2.4.90")


@pytest.mark.parametrize(("path", "offset", "source", "target"), WAYS)
def test_pydicom_reads_the_same_values_and_pixels(path, offset, source, target):
    body = path.read_bytes()[offset:]
    result = reencoded(body, source, target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = pydicom.dcmread(BytesIO(encode_meta("1.2", "1.3", source) + body))
        after = pydicom.dcmread(BytesIO(encode_meta("1.2", "1.3", target) + result))
        old, new = (
            without_private(json.loads(json.dumps(each.to_json_dict(suppress_invalid_tags=True))))
            for each in (before, after)
        )
        if (path.name, target) == ("mlut_18.dcm", IMPLICIT_LITTLE):
            # pydicom does not look for Pixel Representation around an item
            assert new.pop("00283000") != old.pop("00283000")
        assert new == old
        assert ("Rows" in after, "PixelData" in after) == ("Rows" in before, "PixelData" in before)
        if "PixelData" not in before or (path.name, target) in OLD_FAULTS:
            return
        try:
            pixels = pixel_array(before, raw=True)
        except ValueError:
            assert path.name == "badVR.dcm"  # NumberOfFrames is no number
            return
        assert np.array_equal(pixels, pixel_array(after, raw=True))


def pixels_of(data: bytes, syntax: str, key: str) -> bytes:
    start, length, vr, _ = bulk_at(data, syntax, key)
    word = 2 if syntax == EXPLICIT_BIG and vr == "OW" else 1
    return swapped(data[start : start + length], word) if word > 1 else data[start : start + length]


@pytest.mark.parametrize(("path", "offset", "source", "target"), WAYS)
def test_there_and_back_nothing_but_private_vrs_is_lost(path, offset, source, target):
    body = path.read_bytes()[offset:]
    there = reencoded(body, source, target)
    back = reencoded(there, target, source)
    assert reencoded(back, source, target) == there
    old, new = (from_encoded(each, source, inline_limit=1 << 20) for each in (body, back))
    assert without_private(new.attributes) == without_private(old.attributes)
    if IMPLICIT_LITTLE not in (source, target):
        assert new == old
    for key in ("7FE00008", "7FE00009", "7FE00010"):
        if "BulkDataURI" in old.attributes.get(key, ()) and source != DEFLATED:
            value = pixels_of(body, source, key)
            assert pixels_of(back, source, key)[: len(value)] == value


@pytest.mark.parametrize(
    ("path", "offset", "source", "target"),
    [way for way in WAYS if way.values[0].stat().st_size < 20_000],
)
def test_the_cuts_of_the_source_do_not_show(path, offset, source, target):
    body = path.read_bytes()[offset:]
    whole = reencoded(body, source, target)
    for step in (1, 2, 3, 7, 4099):
        assert reencoded(body, source, target, step) == whole


@pytest.mark.skipif(shutil.which("dcmconv") is None, reason="DCMTK is not installed")
@pytest.mark.parametrize("name", ["rtdose.dcm", "seg_image_sm_dots.dcm", "liver_1frame.dcm"])
def test_dcmtk_swaps_other_pixels_the_same(name, tmp_path):
    found = [each for each in FILES if each[0].name == name]
    if not found:
        pytest.skip("no such sample here")
    path, offset, source = found[0]
    theirs = tmp_path / "big.dcm"
    subprocess.run([str(shutil.which("dcmconv")), "+tb", path, theirs], check=True)
    data = theirs.read_bytes()
    head = read_head(data, complete=True)
    assert head is not None
    other = data[head.offset :]
    ours = reencoded(path.read_bytes()[offset:], source, EXPLICIT_BIG)
    values = []
    for each in (ours, other):
        start, length, _, _ = bulk_at(each, EXPLICIT_BIG, "7FE00010")
        values.append(each[start : start + length])
    assert values[0] == values[1]


def test_a_deflated_piece_may_be_taken_in_many():
    plain = b"\xe0\x7f\x10\0OW\0\0" + (64_000_000).to_bytes(4, "little") + bytes(64_000_000)
    deflater = zlib.compressobj(wbits=-15)
    packed = deflater.compress(plain) + deflater.flush()
    reencoder = Reencoder(DEFLATED, EXPLICIT_LITTLE)
    sizes = [len(piece) for piece in reencoder.pieces(packed)]
    assert max(sizes) < 4_000_000
    assert sum(sizes) + len(reencoder.close()) == len(plain)


def test_a_deflated_result_has_an_even_length():
    for length in range(40):
        body = b"\x10\0\x10\0PN" + length.to_bytes(2, "little") + b"x" * length
        assert len(reencoded(body, EXPLICIT_LITTLE, DEFLATED)) % 2 == 0


@pytest.mark.parametrize("cut", [1, 5, 100])
def test_a_deflated_source_that_is_cut_off_is_refused(cut):
    plain = b"\xe0\x7f\x10\0OW\0\0\xe8\x03\0\0" + CHANCE.randbytes(1000)
    deflater = zlib.compressobj(wbits=-15)
    packed = deflater.compress(plain) + deflater.flush()
    assert reencoded(packed, DEFLATED, EXPLICIT_LITTLE) == plain
    with pytest.raises(BadDataset):
        reencoded(packed[:-cut], DEFLATED, EXPLICIT_LITTLE)
    with pytest.raises(BadDataset):
        reencoded(b"\xff" * 100, DEFLATED, IMPLICIT_LITTLE)


def test_nothing_but_bad_dataset_comes_of_spoilt_files():
    files = [each for each in FILES if each[0].stat().st_size < 60_000]
    marks = (b"\xff\xff\xff\xff", b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0",
             b"SQ\0\0", b"UN\0\0", b"??\4\0", b"\0\0\0\0", b"\xff\xff\xff\x7f")  # fmt: skip
    for _ in range(400):
        path, offset, source = CHANCE.choice(files)
        body = bytearray(path.read_bytes()[offset:][:20_000])
        for _ in range(CHANCE.choice((1, 3, 30))):
            at = CHANCE.randrange(len(body))
            body[at : at + 4] = CHANCE.choice(marks)
        for target in SYNTAXES:
            try:
                reencoded(bytes(body), source, target)
            except BadDataset:
                continue
        try:
            dumps(from_encoded(bytes(body), source).attributes)
        except BadDataset:
            continue
