from copy import deepcopy

from tests import samples

from hilum.codec import part10
from hilum.codec.dicom_json import from_encoded
from hilum.codec.remembered import Remembered
from hilum.model.errors import BadDataset


def test_what_is_remembered_is_what_would_be_read() -> None:
    remembered = Remembered()
    compared = 0
    for path in 2 * (samples.GOOD + samples.DUP + samples.DERIVED + samples.EDGE):
        data = path.read_bytes()
        try:
            head = part10.read_head(data, complete=True)
            assert head is not None
            given = memoryview(data)[head.offset :], head.transfer_syntax_uid
            anew = from_encoded(*given)
        except BadDataset:
            continue
        again = from_encoded(*given, remembered=remembered)
        assert list(again.attributes.items()) == list(anew.attributes.items()), path
        assert (again.warnings, again.notes) == (anew.warnings, anew.notes)
        compared += 1
    assert compared > 50
    assert sum(map(len, remembered.tables.values())) > 500


def test_text_that_goes_by_its_character_set_is_not_remembered() -> None:
    remembered = Remembered()
    name = b"\x10\x00\x10\x00PN\x04\x00M\xfcl "
    latin = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100" + name
    cyrillic = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 144" + name
    for data in (latin, cyrillic, latin):
        syntax = "1.2.840.10008.1.2.1"
        assert from_encoded(data, syntax, remembered=remembered) == from_encoded(data, syntax)


def test_it_does_not_grow_for_ever() -> None:
    remembered = Remembered()
    for number in range(10_000):
        remembered.put("UI", b"1.2.%d" % number, {"vr": "UI"})
    remembered.put("LO", bytes(65), {"vr": "LO"})
    assert 0 < len(remembered.tables["UI"]) <= 2048
    assert not remembered.tables["LO"]


def test_what_is_given_twice_is_not_changed_by_the_first() -> None:
    remembered = Remembered()
    data = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 192\x10\x00\x20\x00LO\x02\x00P1"
    one = from_encoded(data, "1.2.840.10008.1.2.1", remembered=remembered)
    kept = deepcopy(one.attributes)
    other = from_encoded(data, "1.2.840.10008.1.2.1", remembered=remembered)
    assert other.attributes == kept
