"""Which service a SOP Class belongs to, and the transfer syntaxes everybody speaks."""

from hilum.model.dictionary import UIDS

VERIFICATION = "1.2.840.10008.1.1"
PATIENT_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"
PATIENT_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
PATIENT_ROOT_GET = "1.2.840.10008.5.1.4.1.2.1.3"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
FIND = frozenset((PATIENT_ROOT_FIND, STUDY_ROOT_FIND))
MOVE = frozenset((PATIENT_ROOT_MOVE, STUDY_ROOT_MOVE))
GET = frozenset((PATIENT_ROOT_GET, STUDY_ROOT_GET))
PATIENT_ROOT = frozenset((PATIENT_ROOT_FIND, PATIENT_ROOT_MOVE, PATIENT_ROOT_GET))

IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
DEFLATED_LE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BE = "1.2.840.10008.1.2.2"
UNCOMPRESSED = (EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE)

_OTHER_SERVICES = ("Storage Commitment", "Media Storage Directory")


def is_storage(uid: str) -> bool:
    """Whether instances of `uid` are stored by C-STORE (PS3.4 Annex B).

    What the standard's dictionary does not know is private, and taken for a storage class.
    """
    entry = UIDS.get(uid)
    if entry is None:
        return True
    name, kind = entry[0], entry[1]
    return kind == "SOP Class" and "Storage" in name and not name.startswith(_OTHER_SERVICES)
