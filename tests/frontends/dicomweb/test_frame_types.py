import pytest

from hilum.codec import media_type
from hilum.frontends.dicomweb.frame_types import Form, Stored, Way, chosen
from hilum.model.errors import NotAcceptable

LE, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"
JPEG, JLS, J2K, HTJ2K = (f"1.2.840.10008.1.2.4.{n}" for n in ("50", "80", "90", "201"))
OCTETS, RELATED = "application/octet-stream", "multipart/related"


def way(accept: str, stored: Stored, *, single: bool = True) -> Way:
    return chosen(media_type.accepted(accept), stored, single=single)


def as_stored(kind: str, syntax: str, *, alone: bool = False) -> Way:
    return Way(kind, syntax, Form.STORED, alone)


@pytest.mark.parametrize(
    ("accept", "kind", "alone"),
    [
        ("*/*", "image/jls", False),
        ("multipart/related", "image/jls", False),
        ('multipart/related; type="*/*"', "image/jls", False),
        ('multipart/related; type="image/jls"', "image/jls", False),
        ("multipart/related; type=image/jls; transfer-syntax=*", "image/jls", False),
        (f'multipart/related; type="image/jls"; transfer-syntax={JLS}', "image/jls", False),
        (f"multipart/related; type={OCTETS}; transfer-syntax=*", OCTETS, False),
        (f"multipart/related; type={OCTETS}; transfer-syntax={JLS}", OCTETS, False),
        ("image/jls", "image/jls", True),
        ("image/*", "image/jls", True),
        (f"{OCTETS}; transfer-syntax=*", OCTETS, True),
        # Of two that are liked alike, the one that needs no work.
        (
            f"multipart/related; type={OCTETS}, multipart/related; type=image/jls",
            "image/jls",
            False,
        ),
    ],
)
def test_what_is_stored_goes_out_untouched(accept: str, kind: str, *, alone: bool) -> None:
    stored = Stored(JLS, decodes=True, encodes=lambda _: True)
    assert way(accept, stored) == as_stored(kind, JLS, alone=alone)


@pytest.mark.parametrize(
    "accept",
    [
        f"multipart/related; type={OCTETS}",
        f"multipart/related; type={OCTETS}; transfer-syntax={LE}",
        f"multipart/related; type={OCTETS}, multipart/related; type=image/jls; q=0.5",
    ],
)
def test_octets_are_decoded(accept: str) -> None:
    assert way(accept, Stored(JLS, decodes=True)) == Way(OCTETS, LE, Form.DECODED)
    assert way(OCTETS, Stored(JLS, decodes=True)) == Way(OCTETS, LE, Form.DECODED, alone=True)


@pytest.mark.parametrize(
    ("accept", "kind", "syntax"),
    [
        ("multipart/related; type=image/jp2", "image/jp2", J2K),
        ("multipart/related; type=image/jphc", "image/jphc", HTJ2K),
        (f"multipart/related; type=image/jphc; transfer-syntax={HTJ2K}", "image/jphc", HTJ2K),
        (f"multipart/related; type={OCTETS}; transfer-syntax={RLE}", OCTETS, RLE),
        ("image/dicom-rle", "image/dicom-rle", RLE),
    ],
)
@pytest.mark.parametrize("stored", [LE, JLS])
def test_another_syntax_is_encoded(accept: str, kind: str, syntax: str, stored: str) -> None:
    there = Stored(stored, decodes=True, encodes=lambda _: True)
    alone = not accept.startswith("multipart")
    assert way(accept, there) == Way(kind, syntax, Form.ENCODED, alone)


@pytest.mark.parametrize(
    ("accept", "alone"),
    [
        ("*/*", False),
        (f"multipart/related; type={OCTETS}", False),
        (f"multipart/related; type={OCTETS}; transfer-syntax=*", False),
        (f"multipart/related; type={OCTETS}; transfer-syntax={LE}", False),
        (OCTETS, True),
        (f"image/jpeg, {OCTETS};q=0.2", True),
    ],
)
def test_what_is_not_compressed_goes_out_as_octets(accept: str, *, alone: bool) -> None:
    assert way(accept, Stored(LE)) == as_stored(OCTETS, LE, alone=alone)


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "application/dicom",
        "multipart/related; type=application/dicom",
        "multipart/related; type=image/jp2",
        f"multipart/related; type={OCTETS}",
        f"multipart/related; type=image/jls; transfer-syntax={JPEG}",
        f"multipart/related; type=image/jpeg; transfer-syntax={JLS}",
        "multipart/related; type=video/mp4",
        f"multipart/related; type={OCTETS}; transfer-syntax=1.2.3",
    ],
)
def test_what_cannot_be_given_is_told_with_what_can(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="image/jls"):
        way(accept, Stored(JLS))


def test_several_frames_never_stand_alone() -> None:
    stored = Stored(JPEG, decodes=True)
    with pytest.raises(NotAcceptable, match="multipart"):
        way("image/jpeg", stored, single=False)
    mixed = "image/jpeg, multipart/related; type=image/jpeg; q=0.1"
    assert way(mixed, stored, single=False) == as_stored("image/jpeg", JPEG)
