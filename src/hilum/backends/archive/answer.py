"""How a row of the index becomes an answer to a query.

Attributes are kept as lines, `00100020":{"vr":"LO","Value":["1"]}`: ready JSON that only has to be
put in order and joined. What is computed is spliced in as lines of its own.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import orjson

from hilum.backends.archive import tags
from hilum.backends.archive.deflated import dictionary_of, inflate
from hilum.backends.archive.select import Read
from hilum.codec import dicom_json
from hilum.model.identity import Level
from hilum.model.query import Path, Query

_STUDY_UID: Final = "0020000D"
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
_FEW: Final = 100  # attributes of a query that is remembered
BULK: Final = b'"BulkDataURI":"/bulkdata/'
"""What begins the reference to a value that is left out, as it is kept."""


def shape_of(query: Query, ae_title: str) -> "Shape":
    """What the answers to a query hold; the same for many queries."""
    few = len(query.include) + len(query.match) <= _FEW
    tags_of, made = (_tags, _shape) if few else (_tags.__wrapped__, _shape.__wrapped__)
    extra = tags_of(query.level, frozenset(query.include), (*query.match,))
    return made(query.level, extra, query.include_all, ae_title)


@lru_cache(maxsize=256)
def _tags(level: Level, include: frozenset[Path], match: tuple[Path, ...]) -> frozenset[str]:
    """What is asked for, and not given unasked."""
    asked = {f"{path[0]:08X}" for path in (*include, *match)}
    return frozenset(asked - (_UNASKED - {_STUDY_UID} if level is Level.PATIENT else _UNASKED))


@lru_cache(maxsize=256)
def _shape(level: Level, extra: frozenset[str], everything: bool, ae_title: str) -> "Shape":  # noqa: FBT001 - a key
    return Shape(level, extra, ae_title, everything=everything)


class Shape:
    """What the answers to one query hold.

    Args:
        level: of what they describe.
        extra: tags that are not given unasked.
        ae_title: from where it can be retrieved.
        everything: all attributes are asked for.
    """

    def __init__(
        self, level: Level, extra: frozenset[str], ae_title: str, *, everything: bool
    ) -> None:
        self.all = everything
        self.extra = frozenset(tag.encode() for tag in extra)
        self.read = Read(
            level,
            more=self.all or bool(extra),
            classes=level is not Level.PATIENT and (self.all or tags.CLASSES in extra),
            whole=level is Level.IMAGE
            and (
                self.all
                or any(tags.level_of(tag) is Level.IMAGE for tag in extra - {tags.SYNTAXES})
            ),
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
        places = ("studies", "study"), ("series", "series"), ("instances", "instance")
        self._path = [(each, self.at[name]) for each, name in places if name in self.at]
        self._root: tuple[str, bytes] = ("", b"")
        self._syntax = self.at.get("syntax") if everything or tags.SYNTAXES in extra else None
        self._modalities = self.at.get("modalities")
        self._timezone = self.at.get("timezone")
        self._lone = self.at.get("lone") if _STUDY_UID.encode() in self.extra else None

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
        if self._lone is not None and row[self._lone]:  # of a patient without an ID
            lines.append(b'0020000D":{"vr":"UI","Value":%s}' % orjson.dumps([row[self._lone]]))
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
        if self._syntax is not None:
            lines.append(b'00083002":{"vr":"UI","Value":["%s"]}' % row[self._syntax].encode())
        if self.read.whole:
            there = {line[:8] for line in lines}
            dictionary = dictionary_of(row[self.at["dictionary"]])
            attributes = dicom_json.loads(inflate(row[self.at["json"]], dictionary))
            for tag, element in attributes.items():
                name = tag.encode()
                if name not in there and (self.all or name in self.extra):
                    lines.append(name + b'":' + dicom_json.dumps(element))

    def url(self, row: Sequence[Any], root: str) -> bytes:
        """The resource of an answer as JSON; b"" for a patient, who has none (PS3.18 §10.4.1)."""
        if not self._path:
            return b""
        known = self._root
        if known[0] != root:
            known = self._root = root, orjson.dumps(root)[:-1]
        path = "".join([f"/{name}/{row[place]}" for name, place in self._path])
        return known[1] + orjson.dumps(path)[1:]


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
        url = b"" if retrieve_root is None else shape.url(self._row, retrieve_root)
        if url:
            lines.append(b'00081190":{"vr":"UR","Value":[%s]}' % url)
        if shape.read.whole:
            lines = _with_bulk(lines, url)
        lines.sort()
        while not lines[0]:
            del lines[0]
        answer = b'{"%s}' % b',"'.join(lines)
        return answer if answer.find(_NO_VALUES) < 0 else answer.replace(_NO_VALUES, b"")

    def decoded(self) -> Mapping[str, Any]:
        """See `model.match.Match`."""
        if self._shape.read.whole:
            return dicom_json.loads(self.dicom_json())
        return _Lines(self._shape.lines(self._row))


class _Lines(Mapping[str, Any]):
    """Attributes of which each is read when it is asked for."""

    __slots__ = ("_lines",)

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = {line[:8]: line for line in lines if line}

    def __getitem__(self, tag: str) -> Any:  # noqa: ANN401 - an attribute object
        return _element(self._lines[tag.encode()])

    def get(self, tag: str, default: Any = None) -> Any:  # noqa: ANN401 - as above
        """An attribute; as in every mapping, but quicker."""
        line = self._lines.get(tag.encode())
        return default if line is None else _element(line)

    def __iter__(self) -> Iterator[str]:
        return (tag.decode() for tag in sorted(self._lines))

    def __len__(self) -> int:
        return len(self._lines)


def _element(line: bytes) -> dict[str, Any]:
    """The attribute of a line: without values where there are none."""
    element: dict[str, Any] = orjson.loads(line[10:])
    if element.get("Value") == []:
        del element["Value"]
    return element


def _with_bulk(lines: list[bytes], url: bytes) -> list[bytes]:
    """Bulk data under the instance's URL; without a URL, left out."""
    if not url:
        return [line for line in lines if BULK not in line]
    prefix = bulk_prefix(orjson.loads(url))
    return [line.replace(BULK, prefix) for line in lines]


def bulk_prefix(url: str) -> bytes:
    """What stands in place of `BULK` for the instance at `url`.

    No text holds that sequence of bytes: in JSON its quotation marks would be escaped.
    """
    return b'"BulkDataURI":' + orjson.dumps(f"{url}/bulkdata/")[:-1]
