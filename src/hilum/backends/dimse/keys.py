"""Which keys does a C-FIND carry, so that its answers are whole? (PS3.4 §C.4.1, §C.6)."""

from collections.abc import Mapping
from typing import Final

from hilum.codec import qido
from hilum.codec.identifier import QUERY_RETRIEVE_LEVEL, SPECIFIC_CHARACTER_SET, UNIQUE_KEYS
from hilum.model.dictionary import keyword_of
from hilum.model.identity import Level
from hilum.model.query import Path, Query

_REQUESTS = 0x0040_0275  # Request Attributes Sequence
_NO_KEYS = frozenset((SPECIFIC_CHARACTER_SET, QUERY_RETRIEVE_LEVEL, 0x0008_1190))  # RetrieveURL


def _paths(*tags: int) -> frozenset[Path]:
    return frozenset((tag,) for tag in tags)


PATIENT: Final = _paths(
    *(0x0010_0010, 0x0010_0020, 0x0010_0030, 0x0010_0040),
    *(0x0020_1200, 0x0020_1202, 0x0020_1204),
)
"""Asked of a patient: name, ID, birth date, sex, and how much there is below."""

_DEAR: Final = _paths(0x0008_0056, 0x0008_0201)  # Instance Availability, Timezone Offset
DEFAULTS: Final[Mapping[Level, frozenset[Path]]] = {
    Level.PATIENT: PATIENT,
    Level.STUDY: qido.STUDY - _DEAR,
    Level.SERIES: qido.SERIES - _DEAR,
    Level.IMAGE: qido.INSTANCE - _DEAR,
}
"""Asked of each level whatever the query names (PS3.18 Tables 10.6.3-3 to 10.6.3-5).

But for two which are only given "if known": a PACS that has no column for them opens a file for
every match (Orthanc takes six times as long). Who includes them has them asked for.
"""

_OF_PATIENTS = PATIENT | _paths(
    # issuer, birth time, other IDs and names, age, size, weight, ethnic group, occupation
    *(0x0010_0021, 0x0010_0032, 0x0010_1000, 0x0010_1001, 0x0010_1002, 0x0010_2160),
    *(0x0010_21B0, 0x0010_4000),  # history, comments
)
OPTIONAL: Final[Mapping[Level, frozenset[Path]]] = {
    Level.PATIENT: _OF_PATIENTS,  # Table C.6-1
    Level.STUDY: (_OF_PATIENTS - _paths(0x0020_1200, 0x0020_1202, 0x0020_1204))
    | _paths(  # Tables C.6-2 and C.6-5
        # issuer of accession number, classes in study, consulting physician, description,
        # procedures, readers, diagnoses, other studies, anatomy
        *(0x0008_0051, 0x0008_0062, 0x0008_009C, 0x0008_1030, 0x0008_1032, 0x0008_1048),
        *(0x0008_1060, 0x0008_1080, 0x0008_1110, 0x0008_0063),
        # age, size, weight, occupation; requested procedure, institution
        *(0x0010_1010, 0x0010_1020, 0x0010_1030, 0x0010_2180, 0x0032_1060, 0x0008_0080),
    ),
    Level.SERIES: _paths(  # Table C.6-3, and the General Series and Equipment modules
        # date, time, manufacturer, institution, station, department, physicians, operators
        *(0x0008_0021, 0x0008_0031, 0x0008_0070, 0x0008_0080, 0x0008_1010, 0x0008_1040),
        *(0x0008_1050, 0x0008_1070, 0x0008_1090, 0x0008_1111),
        # body part, protocol, serial number, software, position, laterality, frame of reference
        *(0x0018_0015, 0x0018_1030, 0x0018_1000, 0x0018_1020, 0x0018_5100, 0x0020_0060),
        *(0x0020_0052, 0x0040_0253, 0x0040_0254),
    ),
    Level.IMAGE: _paths(  # Table C.6-4, and the General Image, Image Plane and Pixel modules
        # type, dates and times, available syntaxes, related classes
        *(0x0008_0008, 0x0008_0012, 0x0008_0013, 0x0008_0022, 0x0008_0023, 0x0008_002A),
        *(0x0008_0032, 0x0008_0033, 0x0008_001A, 0x0008_3002),
        # title of a document, its template, container of a specimen
        *(0x0040_A043, 0x0040_A504, 0x0040_A491, 0x0040_A493, 0x0040_0512),
        # acquisition number, place and orientation, slice, comments
        *(0x0020_0012, 0x0020_0032, 0x0020_0037, 0x0020_1041, 0x0020_4000, 0x0018_0050),
        # pixels
        *(0x0028_0002, 0x0028_0004, 0x0028_0006, 0x0028_0030, 0x0028_0101, 0x0028_0102),
        *(0x0028_0103, 0x0028_0301, 0x0028_1050, 0x0028_1051, 0x0028_2110),
    ),
}
"""What `include_all` asks for beside the defaults: C-FIND has no way to ask for everything."""


def keys_of(query: Query, *, patient_root: bool) -> dict[Path, str]:
    """The keys that ask `query`: path -> value in C-FIND notation, "" to have the attribute.

    Those that it matches on, and asks for, those that every match of its level has (but where
    nobody wants them), and the unique keys down to its level.
    """
    levels = list(Level)[0 if patient_root else 1 :]
    wished = query.include
    if not query.is_bare:
        wished |= DEFAULTS[query.level]
    if query.include_all:
        wished |= OPTIONAL[query.level] | _DEAR
    if query.level in levels:
        wished |= {(UNIQUE_KEYS[each],) for each in levels[: levels.index(query.level) + 1]}
    keys = dict.fromkeys((path for path in wished if path[0] not in _NO_KEYS), "")
    keys |= query.match
    if any(path[0] == _REQUESTS and len(path) > 1 for path in keys):
        # an item with one key would bring back only that; these two are what is always given
        keys = {(_REQUESTS, 0x0040_0009): "", (_REQUESTS, 0x0040_1001): ""} | keys
    return dict(sorted(keys.items()))


def line(path: Path, value: str) -> str:
    """A key for people to read: `(0010,0010) PatientName = A*`."""
    numbers = ".".join(f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in path)
    name = ".".join(keyword_of(tag) or f"{tag:08X}" for tag in path)
    return f"{numbers} {name} = {value}".rstrip()
