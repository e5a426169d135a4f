"""Which attribute belongs to which level, and which have columns to be searched by.

An attribute that is not named here belongs to the instance.
"""

from typing import Final

from hilum.model.identity import Level

PATIENT: Final = frozenset(
    """
    00081120 00100010 00100020 00100021 00100022 00100024 00100026 00100027 00100030 00100032
    00100033 00100034 00100035 00100040 00100050 00100101 00100200 00100212 00100213 00100214
    00100215 00100216 00100217 00100218 00100219 00100221 00100222 00100223 00100229 00101000
    00101001 00101002 00101005 00101040 00101050 00101060 00101080 00101081 00101090 00101100
    00102150 00102152 00102154 00102155 00102160 00102161 00102201 00102202 00102292 00102293
    00102294 00102295 00102296 00102297 00102298 00102299 001021F0 00104000 00120010 00120020
    00120021 00120030 00120031 00120040 00120042 00120062 00120063 00120064 00120081 00120082
    """.split()  # noqa: SIM905 - 60 quoted words are harder to read
)
"""Patient, Clinical Trial Subject (PS3.3 §C.7.1), and what C-FIND asks of patients."""

STUDY: Final = frozenset(
    """
    00080020 00080030 00080050 00080051 00080090 00080092 00080094 00080096 0008009C 0008009D
    00081030 00081032 00081048 00081049 00081060 00081062 00081080 00081084 00081110 00101010
    00101020 00101021 00101022 00101023 00101024 00101030 00102000 00102110 00102180 001021A0
    001021B0 001021C0 001021D0 00102203 00120050 00120051 00120052 00120053 00120083 0020000D
    00200010 00320012 00321032 00321033 00321034 00321060 00321064 00380010 00380014 00380060
    00380062 00380064 00380500 00401012 00401060
    """.split()  # noqa: SIM905 - 60 quoted words are harder to read
)
"""General Study, Patient Study, Clinical Trial Study (PS3.3 §C.7.2)."""

SERIES: Final = frozenset(
    """
    00080021 00080031 00080060 00080068 00080070 00080080 00080081 00080082 00081010 00081040
    00081041 0008103E 0008103F 00081050 00081052 00081070 00081072 00081090 00081111 00081250
    00102210 00120060 00120061 00120071 00120072 00120073 00180015 0018100A 0018100B 00181000
    00181002 00181008 00181020 00181030 00181200 00181201 00185100 0020000E 00200011 00200052
    00200060 00201040 00280108 00280109 00400244 00400245 00400250 00400251 00400253 00400254
    00400260 00400275 00400280
    """.split()  # noqa: SIM905 - 60 quoted words are harder to read
)
"""General Series, Clinical Trial Series, Frame of Reference, Equipment (PS3.3 §C.7.3-5)."""

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
