import pytest
from tests import samples

from hilum.codec import again, part10
from hilum.codec.dicom_json import from_encoded
from hilum.codec.remembered import Remembered
from hilum.model.errors import BadDataset

EXPLICIT = "1.2.840.10008.1.2.1"
NAME = b"\x10\x00\x10\x00PN\x04\x00A^B "
ID = b"\x10\x00\x20\x00LO\x02\x00P1"
CHARSET = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 144"


def alike(data: bytes, remembered: Remembered, syntax: str = EXPLICIT) -> None:
    read, anew = again.read(data, syntax, remembered), from_encoded(data, syntax)
    assert list(read.attributes.items()) == list(anew.attributes.items())
    assert (read.warnings, read.notes, read.truncated) == (
        anew.warnings,
        anew.notes,
        anew.truncated,
    )


def test_real_files_become_the_same() -> None:
    remembered = Remembered()
    compared = 0
    for path in 3 * (samples.GOOD + samples.DUP + samples.DERIVED + samples.EDGE):
        data = path.read_bytes()
        try:
            head = part10.read_head(data, complete=True)
            assert head is not None
            from_encoded(memoryview(data)[head.offset :], head.transfer_syntax_uid)
        except BadDataset:
            continue
        alike(data[head.offset :], remembered, head.transfer_syntax_uid)
        compared += 1
    assert compared > 50
    assert len(remembered.elements) > 200


@pytest.mark.parametrize(
    "data",
    [
        NAME + ID,
        ID + NAME,  # out of order
        NAME + NAME,
        b"\x08\x00\x05\x00US\x02\x00\x01\x00" + NAME,  # a character set that is a number
        b"\x10\x00\x10\x00PN\x06\x00\x1b$BA^B" + b"\x10\x00\x20\x10LT\x46\x00" + b"x" * 70,
        ID + b"\x40\x00\x40\xa0CS\x06\x00A\\B \0 " + b"\x40\x00\x41\xa0IS\x04\x001\\x ",
        CHARSET + b"\x10\x00\x10\x00PN\x04\x00\xb0\xb1  " + ID,
        b"\x10\x00\x10\x00PN\x04\x00\xb0\xb1  " + ID,
        NAME + b"\x10\x00\x20\x00LO\x09\x00P1",  # cut off
        NAME + ID[:5],
        NAME + bytes(20),
        NAME + b"\x10\x00\x30\x00??\x02\x00P1" + ID,
        b"\x09\x00\x10\x00LO\x04\x00HERE\x09\x00\x01\x10UN\x00\x00\x02\x00\x00\x00P1" + NAME,
        b"\x10\x00\x20\x10DS\x04\x00 x  " + ID,  # a number that is none
        NAME + b"\x28\x00\x06\x01US\x02\x00\x01\x00\x28\x00\x08\x01US\x04\x00\x01\x00\x02\x00",
        b"".join(b"\x11\x00%c\x10LO\x02\x00%02d" % (number, number) for number in range(90)),
        NAME + b"\xe0\x7f\x10\x00OB\x00\x00\x02\x00\x00\x00\x01\x02",
    ],
)
def test_whatever_comes_it_is_the_same_as_in_the_general_way(data: bytes) -> None:
    remembered = Remembered()
    for each in (data, NAME + ID, data, data):
        alike(each, remembered)
        alike(each, remembered, "1.2.840.10008.1.2.4.50")


@pytest.mark.parametrize("data", [b"", b"\x08", bytes(9), b"no data set at all"])
def test_what_cannot_be_read_is_told(data: bytes) -> None:
    remembered = Remembered()
    try:
        from_encoded(data, EXPLICIT)
    except BadDataset:
        with pytest.raises(BadDataset):
            again.read(data, EXPLICIT, remembered)
    else:
        alike(data, remembered)


def test_in_other_syntaxes_it_is_the_same_too() -> None:
    remembered = Remembered()
    implicit = b"\x10\x00\x20\x00\x02\x00\x00\x00P1"
    big = b"\x00\x10\x00\x20LO\x00\x02P1"
    for _ in range(2):
        alike(implicit, remembered, "1.2.840.10008.1.2")
        alike(implicit, remembered)  # not as it was announced
        alike(big, remembered, "1.2.840.10008.1.2.2")
