"""Every sample against pydicom's own pipeline."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.pixels import (
    apply_color_lut,
    apply_modality_lut,
    apply_voi_lut,
    convert_color_space,
    get_decoder,
)
from tests import samples

from hilum.codec.elements import walk
from hilum.codec.part10 import read_head
from hilum.imaging import render
from hilum.imaging.grey import grey_of
from hilum.imaging.picture import image_of
from hilum.imaging.pixels import Pixels
from hilum.imaging.render import shown
from hilum.imaging.values import Values
from hilum.imaging.wish import Viewport, Wish

TAGS = (0x7FE00010, 0x7FE00008, 0x7FE00009)
FILES = [*samples.GOOD, *samples.DUP, *samples.EDGE, *samples.DERIVED]


def decoded(path: Path) -> tuple[pydicom.Dataset, NDArray[Any], Pixels, Values]:
    """A sample's first frame by pydicom's decoders, and what is said of it."""
    data = path.read_bytes()
    try:
        head = read_head(data, complete=True)
        assert head is not None
        dataset = pydicom.dcmread(path, force=True)
        tag = next(tag for tag in TAGS if tag in dataset)
        syntax = pydicom.uid.UID(head.transfer_syntax_uid)
        dataset.file_meta.TransferSyntaxUID = syntax
        frame, meta = get_decoder(syntax).as_array(dataset, raw=False, as_rgb=False, index=0)
        header = Values(walk(memoryview(data)[head.offset :], head.transfer_syntax_uid))
    except Exception as error:  # noqa: BLE001 - what pydicom cannot read is no reference
        pytest.skip(f"pydicom does not decode it: {type(error).__name__}")
    pixels = Pixels(
        transfer_syntax_uid=syntax,
        rows=frame.shape[0],
        columns=frame.shape[1],
        frames=int(dataset.get("NumberOfFrames", 1) or 1),
        samples=int(dataset.SamplesPerPixel),
        photometric=str(meta["photometric_interpretation"]),
        allocated=dataset.BitsAllocated,
        stored=dataset.get("BitsStored", dataset.BitsAllocated),
        signed=bool(dataset.get("PixelRepresentation", 0)),
        tag=tag,
    )
    return dataset, frame.astype(frame.dtype.newbyteorder("=")), pixels, header


def reference(dataset: pydicom.Dataset, frame: NDArray[Any], pixels: Pixels) -> NDArray[Any] | None:
    """What pydicom shows, 0 to 255; None where it has no opinion."""
    if pixels.photometric == "PALETTE COLOR":
        if pixels.big:
            return None  # pydicom takes the bytes of the tables as if they were little endian
        colours = apply_color_lut(frame, dataset).astype(np.float64)
        bits = int(dataset.RedPaletteColorLookupTableDescriptor[2])
        return np.floor(colours / 256) if bits > 8 else colours
    if pixels.samples == 3:
        eight = (frame >> (pixels.stored - 8)).astype(np.uint8)
        if pixels.photometric.startswith("YBR_FULL"):
            return convert_color_space(eight, "YBR_FULL", "RGB").astype(np.float64)
        return eight.astype(np.float64)
    return None if pixels.tag != TAGS[0] else shades(dataset, frame, pixels)


def merged(dataset: pydicom.Dataset) -> pydicom.Dataset:
    """What holds for the first frame, in one level."""
    source = dataset.copy()
    for name in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
            if name in dataset and group in dataset[name][0]:
                source.update(dataset[name][0][group][0])
    return source


def shades(dataset: pydicom.Dataset, frame: NDArray[Any], pixels: Pixels) -> NDArray[Any] | None:
    """Grey by pydicom; None where there is no VOI LUT."""
    source = merged(dataset)
    modal = apply_modality_lut(frame, source)
    if "VOILUTSequence" in source:
        low, high = 0.0, 2.0 ** int(source.VOILUTSequence[0].LUTDescriptor[2]) - 1
        voi = apply_voi_lut(modal, source)
    elif "WindowWidth" in source:
        voi = apply_voi_lut(modal.astype(np.float64), source)
        low, high = apply_voi_lut(np.array([-1e9, 1e9]), source)
    else:
        return None
    shape = dataset.get("PresentationLUTShape", "")
    inverted = shape == "INVERSE" or (not shape and pixels.photometric == "MONOCHROME1")
    shown = (voi - low) / (high - low)
    return np.asarray((1 - shown if inverted else shown) * 255)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_looks_as_pydicom_has_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "height_of_pixel", lambda *_: 1.0)  # pydicom shows what is stored
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset, frame, pixels, header = decoded(path)
        try:
            expected = reference(dataset, frame, pixels)
        except (NotImplementedError, ValueError, AttributeError) as error:
            pytest.skip(f"pydicom does not render it: {error}")
    image = np.asarray(image_of(shown(frame, pixels, header, 0, Wish())))
    assert image.dtype == np.uint8
    assert image.shape[:2] == (pixels.rows, pixels.columns)
    if expected is None:
        return
    off = np.abs(image.astype(np.float64) - expected)
    padding = grey_of(header, pixels, 0).padding if pixels.samples == 1 else None
    if padding is not None:
        off[(frame >= padding[0]) & (frame <= padding[1])] = 0
    assert off.max() <= (2 if pixels.samples == 3 else 1), off.max()


def test_what_is_seen_has_the_shape_of_what_was_there() -> None:
    path = next(path for path in FILES if path.name == "color-pl.dcm")  # pixels of 4 to 3
    _, frame, pixels, header = decoded(path)
    assert image_of(shown(frame, pixels, header, 0, Wish())).size == (256, 160)
    small = shown(frame, pixels, header, 0, Wish(viewport=Viewport(128, 128)))
    assert image_of(small).size == (128, 80)


def test_a_viewport_is_a_box_that_nothing_leaves() -> None:
    frame = np.arange(200 * 100, dtype=np.uint16).reshape(200, 100)
    pixels = Pixels("1.2.840.10008.1.2.1", 200, 100)
    image = shown(
        frame,
        pixels,
        Values(walk(b"", pixels.transfer_syntax_uid)),
        0,
        Wish(viewport=Viewport(64, 64)),
    )
    assert image_of(image).size == (32, 64)
