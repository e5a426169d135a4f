from struct import pack

from hypothesis import given
from hypothesis import strategies as st
from tests.imaging.images import element, header, native
from tests.imaging.test_transcode import parsed

from hilum.codec.elements import walk
from hilum.codec.header import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from hilum.imaging.splice import Changes, Spliced, Value

DATA = element(0x00080000, "UL", pack("<L", 20)) + element(0x00080060, "CS", b"MR") + header()


def spliced(data: bytes, changes: Changes, target: str = EXPLICIT_LITTLE) -> bytes:
    made = Spliced(walk(data, EXPLICIT_LITTLE), EXPLICIT_LITTLE, target, 0x7FE00010, changes)
    return b"".join(made.before()) + b"|" + b"".join(made.after())


def test_elements_stay_or_change_or_come_or_go() -> None:
    changes = {
        0x00280004: Value("CS", "RGB"),
        0x00280006: Value("US", 1),
        0x00080018: Value("UI", "1.2"),
        0x00280103: None,
    }
    made = spliced(DATA + native(b"abcdef"), changes)
    assert made.endswith(b"|")
    said = parsed(made[:-1], EXPLICIT_LITTLE)
    assert list(said) == sorted(said)
    assert said[0x00280004].value == "RGB"
    assert said[0x00280006].value == 1
    assert said[0x00080018].value == "1.2"
    assert 0x00280103 not in said
    assert said[0x00080060].value == "MR"


def test_group_lengths_and_padding_go() -> None:
    made = spliced(DATA + native(b"abcdef") + element(0xFFFCFFFC, "OB", bytes(10)), {})
    assert made.startswith(b"\x08\x00\x60\x00")
    assert made.endswith(b"|")


def test_what_stands_behind_the_pixels_stays_there() -> None:
    behind = element(0x7FE10010, "LO", b"MAKER ") + element(0x7FE11001, "OB", b"private!")
    assert spliced(DATA + native(b"abcdef") + behind, {}).endswith(b"|" + behind)


def test_items_are_added_behind_others() -> None:
    old = element(0x00080100, "SH", b"OLD ")
    sequence = element(0x00089215, "SQ", pack("<HHL", 0xFFFE, 0xE000, len(old)) + old)
    new = Value("SQ", [{0x00080100: Value("SH", "NEW")}], after=True)
    for target in (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG):
        made = spliced(sequence + header(), {0x00089215: new}, target)
        codes = [each.CodeValue for each in parsed(made[:-1], target)[0x00089215].value]
        assert codes == ["OLD", "NEW"]


@given(st.integers(0, 0xFFFF), st.sampled_from([EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG]))
def test_numbers_are_in_the_byte_order_of_the_target(number: int, target: str) -> None:
    made = spliced(DATA, {0x00280010: Value("US", number)}, target)
    assert parsed(made[:-1], target)[0x00280010].value == number
