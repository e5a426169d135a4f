"""As what does a frame go out: as it is stored, decoded, or encoded anew? (PS3.18 §8.7.3.3)."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from hilum.codec.fragments import MEDIA, media_type_of
from hilum.codec.header import EXPLICIT_LITTLE
from hilum.codec.media_type import OCTETS, RELATED, MediaType, includes, rules_out
from hilum.frontends.dicomweb.wanted import AS_STORED
from hilum.model.errors import NotAcceptable

_DEFAULTS: Final = {
    "image/jpeg": "1.2.840.10008.1.2.4.70",
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "image/jphc": "1.2.840.10008.1.2.4.201",
    "image/dicom-rle": "1.2.840.10008.1.2.5",
}
"""The Transfer Syntax of a media type that comes without one (PS3.18 Table 8.7.3-5)."""
_WILD: Final = frozenset({"*/*", "*"})


class Form(IntEnum):
    """What becomes of a frame; the less, the better."""

    STORED = 0
    DECODED = 1
    ENCODED = 2


@dataclass(frozen=True, slots=True)
class Way:
    """How frames go out.

    Attributes:
        kind: media type of a frame.
        syntax: its Transfer Syntax.
        alone: the only frame is the payload; else each is a part of a multipart.
    """

    kind: str
    syntax: str
    form: Form
    alone: bool = False

    @property
    def offer(self) -> str:
        """The media type of the answer, and that of its parts."""
        return self.kind if self.alone else f'{RELATED}; type="{self.kind}"'

    @property
    def content_type(self) -> str:
        """The Content-Type of one frame, alone or as a part."""
        return f"{self.kind}; transfer-syntax={self.syntax}"


@dataclass(frozen=True, slots=True)
class Stored:
    """Frames as they are kept.

    Attributes:
        syntax: Transfer Syntax; Explicit VR Little Endian for all that is not compressed.
        decodes: whether they can be decoded.
        encodes: whether they can be had in that Transfer Syntax, without loss.
    """

    syntax: str
    decodes: bool = False
    encodes: Callable[[str], bool] = lambda _: False

    @property
    def kind(self) -> str:
        """The media type."""
        return OCTETS if self.is_plain else media_type_of(self.syntax)

    @property
    def is_plain(self) -> bool:
        """Whether they are not compressed."""
        return self.syntax == EXPLICIT_LITTLE


def chosen(
    ranges: Sequence[MediaType], stored: Stored, *, single: bool, alone: bool = False
) -> Way:
    """The way that the client likes best; of those that it likes alike, the one of least work.

    Args:
        ranges: what it accepts, the best first.
        stored: what there is.
        single: one frame is asked for, which may go out alone.
        alone: it does where the client takes both.

    Raises:
        NotAcceptable: it takes none.
    """
    best: tuple[float, int, Way] | None = None
    for each in ranges:
        if not each.quality:
            break
        ways = _ways(each, stored, single=single)
        if each.kind in _WILD:
            both = dict.fromkeys((alone, single))
            ways = (Way(stored.kind, stored.syntax, Form.STORED, one) for one in both)
        way = next((way for way in ways if not rules_out(ranges, way.offer, way.syntax)), None)
        if way is not None and (best is None or (-each.quality, way.form) < best[:2]):
            best = (-each.quality, way.form, way)
    if best is None:
        raise NotAcceptable(f"this can be given as {_offers(stored, single=single)} only")
    return best[2]


def _ways(wanted: MediaType, stored: Stored, *, single: bool) -> Generator[Way, None, None]:
    """The ways that one range allows, the one of least work first."""
    alone = not (wanted.kind == RELATED or wanted.kind.startswith("multipart/"))
    if alone and not single:
        return
    inner = wanted.kind if alone else wanted.related or "*/*"
    asked = wanted.transfer_syntax
    if includes(inner, stored.kind) and asked in _names(stored):
        yield Way(stored.kind, stored.syntax, Form.STORED, alone)
    # Viewers ask for frames "as octets, in any syntax", and mean: as they are kept.
    if includes(inner, OCTETS) and asked in {AS_STORED, stored.syntax}:
        yield Way(OCTETS, stored.syntax, Form.STORED, alone)
    if includes(inner, OCTETS) and asked in {"", AS_STORED, EXPLICIT_LITTLE} and stored.decodes:
        yield Way(OCTETS, EXPLICIT_LITTLE, Form.DECODED, alone)
    for kind, syntax in _DEFAULTS.items():
        target = syntax if asked in {"", AS_STORED} else asked
        fits = includes(inner, kind) and media_type_of(target) == kind
        named = inner == kind or (includes(inner, OCTETS) and asked in MEDIA)
        if (fits or (named and media_type_of(target) == kind)) and stored.encodes(target):
            yield Way(kind if includes(inner, kind) else OCTETS, target, Form.ENCODED, alone)


def _names(stored: Stored) -> frozenset[str]:
    """Transfer Syntaxes by which what is stored can be asked for, under its media type."""
    return frozenset({"", AS_STORED, stored.syntax})


def _offers(stored: Stored, *, single: bool) -> str:
    """What there is, for who asked for something else."""
    kinds = [f'{stored.kind}"; transfer-syntax={stored.syntax}']
    if stored.decodes and not stored.is_plain:
        kinds.append(f'{OCTETS}"; transfer-syntax={EXPLICIT_LITTLE}')
    offers = [f'{RELATED}; type="{kind}' for kind in kinds]
    if single:
        offers += [kind.replace('"', "", 1) for kind in kinds]
    return " or ".join(offers)
