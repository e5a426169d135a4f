import pytest
from pydicom._uid_dict import UID_dictionary

from hilum.backends.dimse import contexts
from hilum.codec.associate import Role
from hilum.codec.sop_class import EXPLICIT_LE, IMPLICIT_LE, is_storage

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
JPEG = "1.2.840.10008.1.2.4.70"


@pytest.mark.parametrize("beside", [1, 2, 100])
def test_there_is_room_for_what_else_is_proposed(beside: int) -> None:
    assert len(contexts.storage(beside=beside).wanted) == 128 - beside


def test_the_peer_is_asked_to_be_the_one_that_stores() -> None:
    assert contexts.storage([CT]).roles == {CT: Role(scu=False, scp=True)}


def test_one_class_is_asked_for_in_every_syntax_each_in_a_context_of_its_own() -> None:
    found = contexts.storage([CT])
    assert found.left_out == 0
    assert {syntaxes for _, syntaxes in found.wanted} == set(contexts.SYNTAXES)
    assert found.wanted[0] == (CT, (EXPLICIT_LE, IMPLICIT_LE))


def test_every_class_comes_before_the_second_syntax_of_any() -> None:
    wanted = contexts.storage([CT, MR]).wanted
    assert [uid for uid, _ in wanted[:4]] == [CT, MR, CT, MR]
    assert wanted[2] == (CT, (JPEG,))


def test_what_does_not_fit_is_counted() -> None:
    classes = [f"1.2.3.{number}" for number in range(200)]
    found = contexts.storage(classes)
    assert len(found.wanted) == 127
    assert found.left_out == 200 * len(contexts.SYNTAXES) - 127


def test_a_class_that_is_named_twice_is_asked_for_once() -> None:
    assert contexts.storage([CT, CT]) == contexts.storage([CT])


def test_by_default_every_class_can_come_and_the_usual_images_compressed_too() -> None:
    found = contexts.storage()
    assert set(contexts.CLASSES) == {uid for uid, _ in found.wanted}
    assert (CT, (JPEG,)) in found.wanted


def test_every_default_class_is_a_storage_class_of_the_standard() -> None:
    assert len(contexts.CLASSES) == len(set(contexts.CLASSES))
    assert [uid for uid in contexts.CLASSES if uid not in UID_dictionary] == []
    assert all(is_storage(uid) for uid in contexts.CLASSES)
    syntaxes = {each for alternatives in contexts.SYNTAXES for each in alternatives}
    newer = {"1.2.840.10008.1.2.8.1"}  # than pydicom's dictionary
    assert {UID_dictionary[each][1] for each in syntaxes - newer} == {"Transfer Syntax"}
