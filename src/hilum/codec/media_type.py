"""What do Content-Type and Accept say? Read leniently (RFC 9110 §8.3.1 and §12.5.1)."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
HTML = "text/html"
JSON = "application/json"
OCTETS = "application/octet-stream"
RELATED = "multipart/related"
TEXT = "text/plain"
WADL = "application/vnd.sun.wadl+xml"
ZIP = "application/zip"
DICOM_PARTS = f'{RELATED}; type="{DICOM}"'
XML_PARTS = f'{RELATED}; type="{DICOM_XML}"'

METADATA = frozenset((DICOM_JSON, DICOM_XML))
"""What attributes come in whose bulk data is elsewhere."""

MAX_RANGES = 100  # of one Accept; who lists more is not read to the end

_OLD_NAMES = {"image/x-dicom-rle": "image/dicom-rle"}
"""Before DICOM registered its own (PS3.18 2013 to 2017a)."""

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
        return _named(self.parameters.get("type", ""))

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

    Ranges that are no media types are left out; those that are ruled out by `q=0` are the last.
    """
    ranges = islice((each for text in texts for each in _ranges(text)), MAX_RANGES)
    return sorted(ranges, key=lambda each: -each.quality)


def rules_out(ranges: Sequence[MediaType], offer: str, syntax: str = "") -> bool:
    """Whether what takes an offer most specifically has `q=0` (RFC 9110 §12.4.2).

    Args:
        ranges: as `accepted` gives them.
        offer: a media type, also a multipart with the `type` of its parts.
        syntax: its Transfer Syntax, or "": a range that names one rules out only that.
    """
    if not ranges or ranges[-1].quality:
        return False
    telling = [
        each
        for each in ranges
        if each.quality or each.transfer_syntax in {"", "*"} or each.transfer_syntax == syntax
    ]
    place = _place(telling, _offered(offer))
    return place < len(telling) and not telling[place].quality


def choose(ranges: Iterable[MediaType], offers: Iterable[str]) -> str | None:
    """The one of `offers` that is liked best, in doubt the first; or None.

    Where several ranges take an offer, the most specific counts (RFC 9110 §12.5.1), so that
    `application/json;q=0.1, */*` likes everything else better, and q=0 rules one out of `*/*`.

    Args:
        ranges: as `accepted` gives them.
        offers: media types, also multiparts with the `type` of their parts.
    """
    everything = list(ranges)
    liked = sum(each.quality > 0 for each in everything)
    best: tuple[int, str] | None = None
    for offer in offers:
        place = _place(everything, _offered(offer))
        if place < liked and (best is None or place < best[0]):
            best = place, offer
    return None if best is None else best[1]


def _place(ranges: list[MediaType], offer: MediaType) -> int:
    """Where the most specific of the ranges that take an offer stands; behind all: none does."""
    place, most = len(ranges), -1
    for index, each in enumerate(ranges):
        specific = _specific(each, offer)
        if specific > most:
            place, most = index, specific
    return place


def _specific(wanted: MediaType, offer: MediaType) -> int:
    """How closely a range names an offer that it takes; -1: it does not take it."""
    if wanted.kind in {"*/*", "*"}:
        return 0
    if not includes(wanted.kind, offer.kind):
        return -1
    if wanted.related and not includes(wanted.related, offer.related):
        return -1
    return 1 + 2 * (wanted.kind == offer.kind) + bool(wanted.related)


@lru_cache(maxsize=64)
def _offered(offer: str) -> MediaType:
    return parse(offer)


def _ranges(text: str) -> Iterator[MediaType]:
    for pieces in _split(text, ","):
        parts = list(_split_pieces(pieces, ";"))
        # In a query string an unescaped "+" has become a blank: `application/dicom json`.
        kind = _named(_joined(parts[0])).replace(" ", "+")
        if "/" not in kind and kind != "*":
            continue
        parameters = dict(_parameters(parts[1:]))
        yield MediaType(kind, parameters, _quality(parameters.pop("q", "1")))


def _named(kind: str) -> str:
    kind = kind.strip().lower()
    return _OLD_NAMES.get(kind, kind)


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
