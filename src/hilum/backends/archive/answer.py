"""How a row of the index becomes an answer to a query.

Attributes are kept as lines, `00100020":{"vr":"LO","Value":["1"]}`: ready JSON that only has to be
put in order and joined. What is computed is spliced in as lines of its own.
"""

from collections.abc import Sequence
from typing import Any, Final

import orjson
from pydicom import Dataset

from hilum.backends.archive import tags
from hilum.backends.archive.deflated import dictionary_of, inflate
from hilum.backends.archive.select import Read
from hilum.codec import dicom_json
from hilum.codec.dicom_json import Attributes
from hilum.model.identity import Level
from hilum.model.query import Query

_MODALITIES: Final = b'00080061":{"vr":"CS","Value":%s}'
_NO_VALUES: Final = b',"Value":[]'
_BLOBS: Final = ("patient_answer", "study_answer", "series_answer", "answer")
_MORE: Final = ("patient_more", "study_more", "series_more")
_COUNTS: Final = {
    "00201200": "patient_studies",
    "00201202": "patient_series",
    "00201204": "patient_instances",
    "00201206": "study_series",
    "00201208": "study_instances",
    "00201209": "series_instances",
}
_UNASKED: Final = frozenset(
    {tag for wanted in tags.DEFAULTS.values() for tag in wanted}
    | {tags.RETRIEVE_AE_TITLE, tags.AVAILABILITY, tags.RETRIEVE_URL, tags.MODALITIES, tags.TIMEZONE}
    | {"00201206", "00201208", "00201209"}
)
"""What is in every answer of the levels that have it."""
BULK: Final = b'"BulkDataURI":"/bulkdata/'
"""What begins the reference to a value that is left out, as it is kept."""


class Shape:
    """What the answers to one query hold."""

    def __init__(self, query: Query, ae_title: str) -> None:
        asked = {f"{path[0]:08X}" for path in (*query.include, *query.match)}
        extra = asked - _UNASKED
        self.all = query.include_all
        self.extra = frozenset(tag.encode() for tag in extra)
        level = query.level
        self.read = Read(
            level,
            more=self.all or bool(extra),
            classes=level is not Level.PATIENT and (self.all or tags.CLASSES in extra),
            whole=level is Level.IMAGE
            and (self.all or any(tags.level_of(tag) is Level.IMAGE for tag in extra)),
        )
        self.at = self.read.places()
        self._always = [
            b'00080054":' + orjson.dumps({"vr": "AE", "Value": [ae_title]}),
            b'00080056":{"vr":"CS","Value":["ONLINE"]}',
        ]
        self._blobs = [self.at[name] for name in _BLOBS if name in self.at]
        self._more = [self.at[name] for name in _MORE if name in self.at]
        self._counts = [
            (b'%s":{"vr":"IS","Value":[%%d]}' % tag.encode(), self.at[name])
            for tag, name in _COUNTS.items()
            if name in self.at and self._gives(tag)
        ]
        self._path = [self.at[name] for name in ("study", "series", "instance") if name in self.at]
        self._modalities = self.at.get("modalities")
        self._timezone = self.at.get("timezone")

    def _gives(self, tag: str) -> bool:
        """Whether a count that was read is wanted: a patient's is given unasked to them only."""
        of_patient = tags.COUNTS[tag][0] is Level.PATIENT
        return (
            self.all
            or (of_patient is (self.read.level is Level.PATIENT))
            or (tag.encode() in self.extra)
        )

    def lines(self, row: Sequence[Any]) -> list[bytes]:
        """All lines of an answer but RetrieveURL, in any order."""
        lines = self._always.copy()
        for place in self._blobs:
            lines += row[place].split(b"\n")
        for line, place in self._counts:
            lines.append(line % row[place])
        if self._modalities is not None:
            lines.append(_MODALITIES % row[self._modalities])
        if self._timezone is not None and row[self._timezone] is not None:
            lines.append(b'00080201":{"vr":"SH","Value":%s}' % orjson.dumps([row[self._timezone]]))
        if self.read.more:
            self._add_more(row, lines)
        return lines

    def _add_more(self, row: Sequence[Any], lines: list[bytes]) -> None:
        """Add what is not given unasked."""
        for place in self._more:
            more = row[place].split(b"\n")
            lines += more if self.all else [line for line in more if line[:8] in self.extra]
        if self.read.classes:
            lines.append(b'00080062":{"vr":"UI","Value":%s}' % row[self.at["classes"]].encode())
        if self.read.whole:
            there = {line[:8] for line in lines}
            dictionary = dictionary_of(row[self.at["dictionary"]])
            attributes = dicom_json.loads(inflate(row[self.at["json"]], dictionary))
            for tag, element in attributes.items():
                name = tag.encode()
                if name not in there and (self.all or name in self.extra):
                    lines.append(name + b'":' + dicom_json.dumps(element))

    def url(self, row: Sequence[Any], root: str) -> str:
        """The resource of an answer; "" for a patient, who has none (PS3.18 §10.4.1)."""
        if not self._path:
            return ""
        parts = zip(("studies", "series", "instances"), self._path, strict=False)
        return "".join([root, *(f"/{name}/{row[place]}" for name, place in parts)])


class Found:
    """One match: a row, and the shape of the answers it belongs to."""

    __slots__ = ("_row", "_shape")

    def __init__(self, shape: Shape, row: Sequence[Any]) -> None:
        self._shape = shape
        self._row = row

    def dicom_json(self, retrieve_root: str | None = None) -> bytes:
        """See `model.match.Match`."""
        shape = self._shape
        lines = shape.lines(self._row)
        url = "" if retrieve_root is None else shape.url(self._row, retrieve_root)
        if url:
            lines.append(b'00081190":{"vr":"UR","Value":[%s]}' % orjson.dumps(url))
        if shape.read.whole:
            lines = _with_bulk(lines, url)
        lines.sort()
        while not lines[0]:
            del lines[0]
        answer = b'{"%s}' % b',"'.join(lines)
        return answer if answer.find(_NO_VALUES) < 0 else answer.replace(_NO_VALUES, b"")

    def decoded(self) -> Attributes:
        """See `model.match.Match`."""
        return dicom_json.loads(self.dicom_json())

    def dataset(self) -> Dataset:
        """See `model.match.Match`."""
        return dicom_json.to_dataset(self.decoded())


def _with_bulk(lines: list[bytes], url: str) -> list[bytes]:
    """Bulk data under the instance's URL; without a URL, left out."""
    if not url:
        return [line for line in lines if BULK not in line]
    return [line.replace(BULK, bulk_prefix(url)) for line in lines]


def bulk_prefix(url: str) -> bytes:
    """What stands in place of `BULK` for the instance at `url`.

    No text holds that sequence of bytes: in JSON its quotation marks would be escaped.
    """
    return b'"BulkDataURI":' + orjson.dumps(f"{url}/bulkdata/")[:-1]
