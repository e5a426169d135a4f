from collections.abc import Sequence
from typing import Any

import pytest

from hilum.codec.compose import DEFAULTS, Composed, Stretch, composed, syntax_of_part
from hilum.codec.dataset_pieces import LONGEST, pieces_of
from hilum.codec.fragments import MEDIA
from hilum.codec.header import EXPLICIT_LITTLE
from hilum.model.errors import BadDataset

BASELINE, RLE = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.5"
LOSSLESS = b"\xff\xd8\xff\xc3\0\x02\xff\xda\0\x08\1\0\0"  # up to the predictor
PIXELS = {"7FE00010": {"vr": "OB", "BulkDataURI": "p"}}


def put(stretches: Sequence[Stretch], **more: Any) -> Composed:
    attributes = PIXELS | {name[1:]: {"Value": [value]} for name, value in more.items()}
    return composed(pieces_of(attributes), attributes, lambda _uri: stretches)


def test_the_size_is_that_of_all_parts() -> None:
    found = put([Stretch(10, 5)])
    assert found.transfer_syntax_uid == EXPLICIT_LITTLE
    assert found.parts[1:-1] == [b"\xe0\x7f\x10\0OB\0\0\x06\0\0\0", Stretch(10, 5), b"\0"]
    assert found.size == 12 + 6


def test_a_table_that_does_not_reach_is_empty() -> None:
    long = [Stretch(n, LONGEST - 1, RLE) for n in range(3)]
    assert put(long, t00280008=3).parts[2:4] == [b"\xfe\xff\0\xe0\0\0\0\0", b""]
    short = [Stretch(n, 10, RLE) for n in range(3)]
    assert put(short, t00280008=3).parts[2][4:] == b"\x0c\0\0\0"  # type: ignore[index]


@pytest.mark.parametrize(
    ("stretches", "comment"),
    [
        ([], "no part has"),
        ([Stretch(0, 4, RLE), Stretch(4, 4, BASELINE)], "several Transfer Syntaxes"),
        ([Stretch(0, LONGEST + 2)], "too long"),
        ([Stretch(0, LONGEST + 2, RLE)], "too long"),
        ([Stretch(0, LONGEST // 2), Stretch(0, LONGEST // 2 + 2)], "too long"),
    ],
)
def test_what_cannot_be_put_together_is_told(stretches: list[Stretch], comment: str) -> None:
    with pytest.raises(BadDataset, match=comment):
        put(stretches)


def test_only_pixels_come_in_several_parts() -> None:
    attributes = {"00420011": {"vr": "OB", "BulkDataURI": "p"}}
    with pytest.raises(BadDataset, match=r"several parts have the bulk data of \(0042,0011\)"):
        composed(pieces_of(attributes), attributes, lambda _uri: [Stretch(0, 2), Stretch(2, 2)])


@pytest.mark.parametrize(
    ("kind", "named", "begin", "syntax"),
    [
        ("application/octet-stream", "", b"", ""),
        ("application/octet-stream", EXPLICIT_LITTLE, b"", ""),
        ("application/octet-stream", "1.2.840.10008.1.2.8.1", b"", "1.2.840.10008.1.2.8.1"),
        ("application/pdf", "", b"%PDF", ""),
        ("image/jpeg", BASELINE, b"", BASELINE),
        ("image/jpeg", "", b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x0b", BASELINE),
        ("image/jpeg", "*", b"\xff\xd8\xff\xc1\0\x0b", "1.2.840.10008.1.2.4.51"),
        ("image/jpeg", "", LOSSLESS + b"\1\0\0", "1.2.840.10008.1.2.4.70"),
        ("image/jpeg", "", LOSSLESS + b"\7\0\0", "1.2.840.10008.1.2.4.57"),
        ("image/jpeg", "", b"\xff\xd8\xff\xc3\0\x02", "1.2.840.10008.1.2.4.57"),
        ("image/jpeg", "", b"nonsense", "1.2.840.10008.1.2.4.70"),
        ("image/dicom-rle", "", b"", RLE),
        ("image/jp2", "no uid", b"", "1.2.840.10008.1.2.4.90"),
    ],
)  # fmt: skip
def test_a_part_says_in_which_syntax_it_is(
    kind: str, named: str, begin: bytes, syntax: str
) -> None:
    assert syntax_of_part(kind, named, begin) == syntax


def test_every_default_is_of_its_media_type() -> None:
    for kind, syntax in DEFAULTS.items():
        assert MEDIA[syntax] == kind.replace("x-", "")
