import numpy as np
import pytest
from tests.imaging.images import element, header, native
from tests.imaging.test_transcode import frames_of, parsed

from hilum.codec.header import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from hilum.imaging import codecs, derive
from hilum.imaging.derive import derived
from hilum.imaging.encode import Loss
from hilum.imaging.transcode import transcode
from hilum.model.errors import NotAcceptable, TooLarge

UID = "2.25.1"
HEAD = (
    element(0x00080008, "CS", b"ORIGINAL\\PRIMARY\\AXIAL ")
    + element(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.7")
    + element(0x00080018, "UI", b"1.2.3.4")
)
PICTURE = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
SOURCE = HEAD + header(64, 64) + native(PICTURE.tobytes())


def lossy(data: bytes, target: str, source: str = EXPLICIT_LITTLE) -> bytes:
    out: list[bytes] = []
    derived(data, source, target, out.append, loss=Loss(), sop_instance_uid=UID)
    return b"".join(out)


@pytest.mark.parametrize(
    ("target", "method"),
    [
        (codecs.BASELINE, "ISO_10918_1"),
        (codecs.JLS_NEAR, "ISO_14495_1"),
        (codecs.J2K, "ISO_15444_1"),
    ],
)
def test_a_lossy_instance_says_what_it_is(target: str, method: str) -> None:
    data = lossy(SOURCE, target)
    said = parsed(data, target)
    assert said[0x00080018].value == UID
    assert list(said[0x00080008].value) == ["DERIVED", "PRIMARY", "AXIAL"]
    assert said[0x00282110].value == "01"
    assert said[0x00282114].value == method
    assert float(said[0x00282112].value) > 1
    assert "Lossy compression" in said[0x00082111].value
    assert said[0x00089215].value[0].CodeValue == "113040"
    assert said[0x00082112].value[0].ReferencedSOPInstanceUID == "1.2.3.4"
    purpose = said[0x00082112].value[0].PurposeOfReferenceCodeSequence[0]
    assert (purpose.CodeValue, purpose.CodingSchemeDesignator) == ("121320", "DCM")
    assert np.abs(frames_of(data, target)[0].astype(int) - PICTURE).max() <= 8


def test_what_was_derived_before_is_still_told() -> None:
    first = lossy(SOURCE, codecs.JLS_NEAR)
    plain: list[bytes] = []
    transcode(first, codecs.JLS_NEAR, IMPLICIT_LITTLE, plain.append)
    second = parsed(lossy(b"".join(plain), codecs.BASELINE, IMPLICIT_LITTLE), codecs.BASELINE)
    assert list(second[0x00282114].value) == ["ISO_14495_1", "ISO_10918_1"]
    assert len(second[0x00282112].value) == 2
    sources = [each.ReferencedSOPInstanceUID for each in second[0x00082112].value]
    assert sources == ["1.2.3.4", UID]


def test_values_that_are_no_longer_known_go() -> None:
    at = SOURCE.index(b"\x28\x00\x03\x01") + 10
    data = SOURCE[:at] + element(0x00280106, "US", b"\0\0") + SOURCE[at:]
    assert 0x00280106 not in parsed(lossy(data, codecs.BASELINE), codecs.BASELINE)


def test_a_lossless_syntax_is_no_place_for_it() -> None:
    with pytest.raises(NotAcceptable):
        lossy(SOURCE, codecs.RLE_LOSSLESS)


def test_an_instance_without_uids() -> None:
    with pytest.raises(NotAcceptable, match="without UIDs"):
        lossy(SOURCE[len(HEAD) :], codecs.BASELINE)


def test_too_many_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derive, "MAX_DERIVED", 100)
    with pytest.raises(TooLarge):
        lossy(SOURCE, codecs.BASELINE)
