"""How is a patient written? As FHIR's Patient."""

from typing import Final

from hilum.codec.fhir import values
from hilum.codec.fhir.values import Attributes, Element, Systems
from hilum.model.query import Path

PATIENT_ID: Final = 0x0010_0020
ISSUER: Final = 0x0010_0021
FIELDS: Final[frozenset[Path]] = frozenset(
    {
        *((tag,) for tag in (PATIENT_ID, ISSUER, 0x0010_0010, 0x0010_0030, 0x0010_0040)),
        *((tag,) for tag in (0x0010_0024, 0x0010_1002)),
    }
)
"""What is asked for of a patient."""
_GENDERS: Final = {"M": "male", "F": "female", "O": "other"}


def patient(attributes: Attributes, systems: Systems) -> Element:
    """The resource, without its id."""
    made: Element = {"resourceType": "Patient"}
    if found := [*_identifiers(attributes, systems)]:
        made["identifier"] = found
    if names := values.names(attributes, "00100010"):
        made["name"] = names
    sex = values.text(attributes, "00100040").upper()
    if sex:
        made["gender"] = _GENDERS.get(sex, "unknown")
    if born := values.day(values.text(attributes, "00100030")):
        made["birthDate"] = born
    return made


def _identifiers(attributes: Attributes, systems: Systems) -> list[Element]:
    found = []
    if name := values.text(attributes, "00100020"):
        issuer, system = values.issued(
            attributes, "00100024", systems, values.text(attributes, "00100021")
        )
        system = system or (None if issuer else systems.patient)
        found.append({"use": "usual", **values.identifier("MR", name, issuer, system)})
    for item in values.items(attributes, "00101002"):  # Other Patient IDs Sequence
        if other := values.text(item, "00100020"):
            issuer, system = values.issued(item, "00100024", systems, values.text(item, "00100021"))
            made = values.identifier("MR", other, issuer, system)
            if made not in found:
                found.append(made)
    return found
