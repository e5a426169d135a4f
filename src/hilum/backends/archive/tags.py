"""Which attributes are given unasked, and which have columns to be searched by."""

from typing import Final

from hilum.core.levels import PATIENT, SERIES, STUDY
from hilum.model.identity import Level

DEFAULTS: Final = {
    Level.PATIENT: frozenset({"00100010", "00100020", "00100030", "00100040"}),
    Level.STUDY: frozenset(
        {"00080020", "00080030", "00080050", "00080090", "0020000D", "00200010"}
    ),
    Level.SERIES: frozenset(
        {"00080060", "0008103E", "0020000E", "00200011", "00400244", "00400245", "00400275"}
    ),
    Level.IMAGE: frozenset(
        {"00080016", "00080018", "00200013", "00280008", "00280010", "00280011", "00280100"}
    ),
}
"""What is given unasked (PS3.18 Tables 10.6.3-3 to 10.6.3-5), without what is computed."""

REQUIRED: Final = {
    "00080020": "DA",
    "00080030": "TM",
    "00080050": "SH",
    "00080060": "CS",
    "00080090": "PN",
    "00100010": "PN",
    "00100020": "LO",
    "00100030": "DA",
    "00100040": "CS",
    "00200010": "SH",
    "00200011": "IS",
    "00200013": "IS",
}
"""Those of type R in the tables, and their VR: given without a value where none is known."""

TIMEZONE: Final = "00080201"
"""TimezoneOffsetFromUTC: a default at every level, so it is kept at each."""
CHARACTER_SET: Final = "00080005"
RETRIEVE_AE_TITLE: Final = "00080054"
AVAILABILITY: Final = "00080056"
MODALITIES: Final = "00080061"
CLASSES: Final = "00080062"
RETRIEVE_URL: Final = "00081190"
SYNTAXES: Final = "00083002"
"""Available Transfer Syntax UID: that in which the file is."""

COUNTS: Final = {
    "00201200": (Level.PATIENT, "n_studies"),
    "00201202": (Level.PATIENT, "n_series"),
    "00201204": (Level.PATIENT, "n_instances"),
    "00201206": (Level.STUDY, "n_series"),
    "00201208": (Level.STUDY, "n_instances"),
    "00201209": (Level.SERIES, "n_instances"),
}
"""NumberOf...Related...: the level they count below, and their column there."""

COLUMNS: Final = {
    "00100020": (Level.PATIENT, "patient_id"),
    "00100021": (Level.PATIENT, "issuer"),
    "00100030": (Level.PATIENT, "birth_date"),
    "00100040": (Level.PATIENT, "sex"),
    "00100010": (Level.PATIENT, "patient_name"),
    "00080020": (Level.STUDY, "study_date"),
    "00080030": (Level.STUDY, "study_time"),
    "00080050": (Level.STUDY, "accession_number"),
    "00080090": (Level.STUDY, "referring_name"),
    "00081030": (Level.STUDY, "description"),
    "0020000D": (Level.STUDY, "study_instance_uid"),
    "00200010": (Level.STUDY, "study_id"),
    "00080060": (Level.SERIES, "modality"),
    "0008103E": (Level.SERIES, "description"),
    "00180015": (Level.SERIES, "body_part"),
    "0020000E": (Level.SERIES, "series_instance_uid"),
    "00200011": (Level.SERIES, "series_number"),
    "00400244": (Level.SERIES, "step_date"),
    "00400245": (Level.SERIES, "step_time"),
    "00080016": (Level.IMAGE, "sop_class_uid"),
    "00080018": (Level.IMAGE, "sop_instance_uid"),
    "00200013": (Level.IMAGE, "instance_number"),
}
"""Attributes with columns: whose they are, and the column; names have one per component group."""


def level_of(tag: str) -> Level:
    """The level whose entity an attribute describes; `tag` as eight hexadecimal digits."""
    if tag in PATIENT:
        return Level.PATIENT
    if tag in STUDY:
        return Level.STUDY
    return Level.SERIES if tag in SERIES else Level.IMAGE
