"""Who is meant by the id of a Patient? The id is random, and kept with what DICOM knows of whom."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from hilum.codec.fhir import values
from hilum.codec.fhir.values import Attributes


class PatientKey(NamedTuple):
    """Who a patient of a mount is.

    Attributes:
        patient_id: Patient ID (0010,0020).
        issuer: Issuer of Patient ID (0010,0021), "" where it is not told.
        study: Study Instance UID, where there is no Patient ID: then nothing says whose other
            studies are.
    """

    patient_id: str
    issuer: str = ""
    study: str = ""


class PatientIds(Protocol):
    """Keeps the ids; the same in every process, and after a restart."""

    async def ids(self, mount: str, patients: Sequence[PatientKey], /) -> Mapping[PatientKey, str]:
        """The id of each; made, where there is none.

        Raises:
            BackendFault: they cannot be kept.
        """

    async def patients(self, mount: str, ids: Sequence[str], /) -> Mapping[str, PatientKey]:
        """Whose they are; those that nobody has are left out.

        Raises:
            BackendFault: they cannot be read.
        """


def key_of(attributes: Attributes) -> PatientKey | None:
    """Whose attributes they are; None where neither Patient ID nor study is known."""
    patient_id = values.text(attributes, "00100020")
    issuer = values.text(attributes, "00100021")
    if patient_id:
        return PatientKey(patient_id, issuer)
    study = values.text(attributes, "0020000D")
    return PatientKey("", issuer, study) if study else None
