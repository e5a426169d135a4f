import pytest
from pynetdicom import sop_class as oracle

from hilum.codec import sop_class


def test_every_storage_class_that_pynetdicom_knows_is_one() -> None:
    known = oracle._STORAGE_CLASSES.values()
    assert len(known) > 100
    assert [uid for uid in known if not sop_class.is_storage(uid)] == []


def test_what_the_standard_does_not_know_is_private_storage() -> None:
    assert sop_class.is_storage("1.3.12.2.1107.5.9.1")


@pytest.mark.parametrize(
    "uid",
    [
        sop_class.VERIFICATION,
        *sorted(sop_class.FIND),
        *sorted(sop_class.MOVE),
        *sorted(sop_class.GET),
        "1.2.840.10008.1.20.1",  # Storage Commitment Push Model
        "1.2.840.10008.1.3.10",  # Media Storage Directory Storage
        "1.2.840.10008.5.1.4.31",  # Modality Worklist
        "1.2.840.10008.3.1.2.3.3",  # Modality Performed Procedure Step
        "1.2.840.10008.1.2.1",  # a Transfer Syntax
        "1.2.840.10008.3.1.1.1",  # the application context
    ],
)
def test_other_services_are_no_storage(uid: str) -> None:
    assert not sop_class.is_storage(uid)


def test_the_query_retrieve_classes_are_those_of_the_standard() -> None:
    assert oracle.PatientRootQueryRetrieveInformationModelFind in sop_class.FIND
    assert oracle.StudyRootQueryRetrieveInformationModelFind in sop_class.FIND
    assert oracle.PatientRootQueryRetrieveInformationModelMove in sop_class.MOVE
    assert oracle.StudyRootQueryRetrieveInformationModelMove in sop_class.MOVE
    assert oracle.PatientRootQueryRetrieveInformationModelGet in sop_class.GET
    assert oracle.StudyRootQueryRetrieveInformationModelGet in sop_class.GET
    assert oracle.Verification == sop_class.VERIFICATION
    assert {uid for uid in sop_class.FIND | sop_class.MOVE | sop_class.GET if ".2.1." in uid} == (
        sop_class.PATIENT_ROOT
    )
