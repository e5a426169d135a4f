"""What do Content-Type and Accept say? Read leniently (RFC 9110 §8.3.1 and §12.5.1)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
JSON = "application/json"
OCTETS = "application/octet-stream"
RELATED = "multipart/related"
WADL = "application/vnd.sun.wadl+xml"

MAX_RANGES = 100  # of one Accept; who lists more is not read to the end

_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"?|[^",;]+|[,;]')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class MediaType:
    """One media type or range; all in lower case but the values of parameters.

    Attributes:
        kind: `type/subtype`, either may be `*`.
    """

    kind: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    quality: float = 1.0

    @property
    def related(self) -> str:
        """The media type of the parts of a `multipart/related`; "" when it does not say."""
        return self.parameters.get("type", "").strip().lower()

    @property
    def transfer_syntax(self) -> str:
        """The `transfer-syntax` parameter (PS3.18 §8.7.3.5.2): a UID, `*`, or ""."""
        return self.parameters.get("transfer-syntax", "").strip()

    def takes(self, kind: str) -> bool:
        """Whether this range takes in `kind`, parameters aside."""
        return includes(self.kind, kind)


def includes(wanted: str, kind: str) -> bool:
    """Whether the range `wanted` takes in the media type `kind`."""
    if wanted in {kind, "*/*", "*"}:
        return True
    return wanted.endswith("/*") and kind.startswith(wanted[:-1])


def parse(text: str) -> MediaType:
    """The media type that a Content-Type names; `kind` is "" where there is none.

    Parameters may be quoted or not, also where they hold a slash, as the field sends them:
    `multipart/related; type=application/dicom; boundary=x`.
    """
    return next(_ranges(text), MediaType(""))


def accepted(*texts: str) -> list[MediaType]:
    """What Accept headers name, the best first; in doubt in the order they were written.

    Ranges that are no media types, and those that are ruled out by `q=0`, are left out.
    """
    ranges = islice((each for text in texts for each in _ranges(text)), MAX_RANGES)
    return sorted((each for each in ranges if each.quality > 0), key=lambda each: -each.quality)


def choose(ranges: Iterable[MediaType], offers: Iterable[str]) -> str | None:
    """The first of `offers` that the best range takes in, or None."""
    offered = list(offers)
    for wanted in ranges:
        for offer in offered:
            if wanted.takes(offer):
                return offer
    return None


def _ranges(text: str) -> Iterator[MediaType]:
    for pieces in _split(text, ","):
        parts = list(_split_pieces(pieces, ";"))
        # In a query string an unescaped "+" has become a blank: `application/dicom json`.
        kind = _joined(parts[0]).strip().lower().replace(" ", "+")
        if "/" not in kind and kind != "*":
            continue
        parameters = dict(_parameters(parts[1:]))
        yield MediaType(kind, parameters, _quality(parameters.pop("q", "1")))


def _split(text: str, separator: str) -> Iterator[list[str]]:
    return _split_pieces(_PIECE.findall(text), separator)


def _split_pieces(pieces: Iterable[str], separator: str) -> Iterator[list[str]]:
    current: list[str] = []
    for piece in pieces:
        if piece == separator:
            yield current
            current = []
        else:
            current.append(piece)
    yield current


def _joined(pieces: Iterable[str]) -> str:
    return "".join(_unquoted(piece) for piece in pieces)


def _unquoted(piece: str) -> str:
    if not piece.startswith('"'):
        return piece
    return _ESCAPED.sub(r"\1", piece[1:].removesuffix('"'))


def _parameters(parts: Iterable[list[str]]) -> Iterator[tuple[str, str]]:
    for pieces in parts:
        name, equals, value = _joined(pieces).partition("=")
        if equals:
            yield name.strip().lower(), value.strip().strip("'")


def _quality(text: str) -> float:
    """A weight between 0 and 1; what is no number counts as 1."""
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 1.0
