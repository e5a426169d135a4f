"""Whole files: every sample, and what is wrong with them on purpose."""

import random
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from struct import pack

import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from tests import samples
from tests.imaging.headers import EXPLICIT, dataset, encoded

from hilum.codec.part10 import read_head
from hilum.imaging import rendered as module
from hilum.imaging.rendered import rendered, thumbnail
from hilum.imaging.window import Window
from hilum.imaging.wish import Viewport, Wish
from hilum.model.errors import BadPixels, BadRequest, HilumError, NotAcceptable, NotFound

FILES = [*samples.GOOD, *samples.DUP, *samples.EDGE, *samples.DERIVED]
ANY = ("*/*",)
SMALL = Wish(viewport=Viewport(100, 100))
SC = "1.2.840.10008.5.1.4.1.1.7"


def taken_apart(path: Path) -> tuple[bytes, str, str]:
    data = path.read_bytes()
    head = read_head(data, complete=True)
    assert head is not None
    return data[head.offset :], head.transfer_syntax_uid, head.sop_class_uid


def image(**attributes: object) -> bytes:
    """An image of 16 bits that is not compressed."""
    usual = {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 4,
        "Columns": 4,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
    }
    made = dataset(**{**usual, **attributes})
    if "PixelData" not in made:
        made.add_new(0x7FE00010, "OW", pack("<16H", *range(0, 16000, 1000)))
    return encoded(made)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_sample_is_shown_or_refused_in_words(path: Path) -> None:
    try:
        data, syntax, kind = taken_apart(path)
    except HilumError:
        return
    try:
        made = rendered(memoryview(data), syntax, kind, None, SMALL, ANY)
    except NotAcceptable:
        with pytest.raises((NotFound, NotAcceptable)):
            thumbnail(memoryview(data), syntax, None, Viewport(64, 64))
        return
    assert bool(made.body) != bool(made.spans)
    if made.kind.startswith("image/"):
        size = Image.open(BytesIO(made.body)).size
        assert max(size) == 100
        small = thumbnail(memoryview(data), syntax, None, Viewport(64, 64))
        assert max(Image.open(BytesIO(small.body)).size) == 64


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "examples_palette.dcm", "SC_rgb_jpeg.dcm", "rtdose.dcm", "test-SR.dcm"]
)
def test_what_was_broken_on_purpose_is_refused_in_words(name: str) -> None:
    path = next(each for each in FILES if each.name == name)
    data, syntax, kind = taken_apart(path)
    chance = random.Random(name)  # noqa: S311 - the same faults each time
    for _ in range(60):
        broken = bytearray(data[: chance.choice([len(data), chance.randrange(len(data))])])
        for _ in range(chance.randrange(1, 8)):
            at = chance.randrange(min(len(broken), 4000)) if broken else 0
            broken[at : at + 1] = chance.randbytes(chance.choice([1, 1, 2]))
        with suppress(HilumError):
            rendered(memoryview(bytes(broken)), syntax, kind, None, SMALL, ANY)


@pytest.mark.parametrize(
    "attributes",
    [
        {"Rows": 65535, "Columns": 65535},
        {"Rows": 0},
        {"BitsAllocated": 13},
        {"BitsStored": 17},
        {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"},
        {"NumberOfFrames": "2000000000"},
        {"PhotometricInterpretation": "PALETTE COLOR"},
        {"PixelData": b""},
        {"PixelData": b"\0" * 30},
    ],
)
def test_headers_that_lie(attributes: dict[str, object]) -> None:
    with pytest.raises(NotAcceptable):
        rendered(image(**attributes), EXPLICIT, SC, None, Wish(), ANY)


@pytest.mark.parametrize(("rows", "columns"), [(65535, 65535), (16384, 16385)])
def test_a_small_file_that_says_it_is_huge(rows: int, columns: int) -> None:
    made = dataset(
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=rows,
        Columns=columns,
        BitsAllocated=8,
        BitsStored=8,
    )
    made.add_new(0x7FE00010, "OB", encapsulate([bytes(1000)]))
    made["PixelData"].is_undefined_length = True
    for syntax in ("1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90"):
        with pytest.raises(NotAcceptable):
            rendered(encoded(made), syntax, SC, None, Wish(), ANY)


def test_frames_by_their_number() -> None:
    data = image(NumberOfFrames="2", Rows=2)
    wish = Wish(window=Window(8000, 16000))
    first, second = (rendered(data, EXPLICIT, SC, each, wish, ANY).body for each in (0, 1))
    assert first != second
    assert rendered(data, EXPLICIT, SC, None, wish, ANY).body == first
    with pytest.raises(NotFound):
        rendered(data, EXPLICIT, SC, 2, Wish(), ANY)
    with pytest.raises(NotFound):
        thumbnail(data, EXPLICIT, 2, Viewport(9, 9))


def test_only_the_frame_that_is_asked_for_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    path = next(each for each in FILES if each.name == "examples_ybr_color.dcm")
    data, syntax, kind = taken_apart(path)
    decoded: list[int] = []
    real = module.decode

    def counted(frame: bytes, *args: object, **more: object) -> object:
        decoded.append(len(frame))
        return real(frame, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "decode", counted)
    rendered(memoryview(data), syntax, kind, 17, SMALL, ANY)
    thumbnail(memoryview(data), syntax, None, Viewport(64, 64))
    assert len(decoded) == 2


def test_an_animation_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = image(NumberOfFrames="4", Rows=2, Columns=2)
    gif = Image.open(BytesIO(rendered(data, EXPLICIT, SC, None, Wish(), ("image/gif",)).body))
    assert (gif.n_frames, gif.size) == (4, (2, 2))
    monkeypatch.setattr(module, "ANIMATED", 4)
    gif = Image.open(BytesIO(rendered(data, EXPLICIT, SC, None, Wish(), ("image/gif",)).body))
    assert (gif.n_frames, gif.size) == (4, (1, 1))
    monkeypatch.setattr(module, "MOST_FRAMES", 3)
    with pytest.raises(NotAcceptable, match="3"):
        rendered(data, EXPLICIT, SC, None, Wish(), ("image/gif",))


def test_frames_of_an_animation_share_their_window() -> None:
    pixels = pack("<8H", 0, 100, 200, 300, 0, 1000, 2000, 3000)
    data = image(NumberOfFrames="2", Rows=2, Columns=2, PixelData=pixels)
    gif = Image.open(BytesIO(rendered(data, EXPLICIT, SC, None, Wish(), ("image/gif",)).body))
    gif.seek(1)
    assert gif.convert("L").getpixel((1, 0)) == 255


def test_a_document_without_its_padding() -> None:
    made = dataset(EncapsulatedDocumentLength=5)
    made.add_new(0x00420011, "OB", b"%PDF-\0")
    found = rendered(encoded(made), EXPLICIT, "1.2.840.10008.5.1.4.1.1.104.1", None, Wish(), ANY)
    ((start, length),) = found.spans
    assert encoded(made)[start : start + length] == b"%PDF-"


def test_nothing_of_the_image_in_the_viewport() -> None:
    with pytest.raises(BadRequest):
        rendered(image(), EXPLICIT, SC, None, Wish(viewport=Viewport(5, 5, 99, 0)), ANY)
    with pytest.raises(BadPixels):
        rendered(b"rubbish", EXPLICIT, SC, None, Wish(), ANY)


def test_pydicom_reads_what_these_tests_write() -> None:
    found = pydicom.dcmread(BytesIO(image()), force=True)
    assert found.Rows == 4
