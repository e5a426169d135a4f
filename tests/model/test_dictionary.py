import pytest
from pydicom import datadict
from pydicom._private_dict import private_dictionaries
from pydicom.uid import UID

from hilum.model import dictionary

REPEATING = (0x60003000, 0x60FE0010, 0x50200010, 0x00203101, 0x002804F0)
UNKNOWN = (0x00090010, 0x60013000, 0x77777777, 0x00080000)


def test_a_tag_is_what_pydicom_says() -> None:
    for tag in (*datadict.DicomDictionary, *REPEATING):
        assert dictionary.vr_of(tag) == datadict.dictionary_VR(tag)
        assert dictionary.keyword_of(tag) == datadict.keyword_for_tag(tag)


@pytest.mark.parametrize("tag", UNKNOWN)
def test_what_nobody_knows_is_empty(tag: int) -> None:
    assert datadict.keyword_for_tag(tag) == dictionary.keyword_of(tag) == dictionary.vr_of(tag)


def test_a_keyword_leads_to_its_tag() -> None:
    assert dictionary.keywords() == {
        name: tag for name, tag in datadict.keyword_dict.items() if name
    }


def test_private_attributes_are_known_by_their_creators() -> None:
    for creator, entries in [*private_dictionaries.items()][::9]:
        for name in entries:
            tag = int(name.replace("x", "1"), 16)
            try:
                known = datadict.private_dictionary_VR(tag, creator)
            except KeyError:
                known = ""
            assert dictionary.private_vr_of(tag, creator) == known
    assert dictionary.private_vr_of(0x00091001, "NOBODY") == ""


def test_a_uid_has_a_name() -> None:
    assert dictionary.name_of("1.2.840.10008.1.2.1") == UID("1.2.840.10008.1.2.1").name
    assert dictionary.name_of("1.2.3") == "1.2.3"


def test_the_tables_are_those_of_pydicom_itself() -> None:
    assert dictionary.TAGS is datadict.DicomDictionary
