"""How does a client wish an image to look? Retrieve Rendered's parameters (PS3.18 §8.3.5)."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hilum.imaging.window import FUNCTIONS, Window
from hilum.model.errors import BadRequest

QUALITY: Final = 90  # of a JPEG, where nobody asks for another
LONGEST: Final = 16_384  # pixels in a side of a viewport
LARGEST: Final = 64 * 1024 * 1024  # pixels in a viewport
PROFILES: Final = ("no", "yes", "srgb", "adobergb", "rommrgb")
ANNOTATIONS: Final = ("patient", "technique")

_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_INTEGER = re.compile(r"\d{1,6}")
_HUGE = 1e12


@dataclass(frozen=True, slots=True)
class Viewport:
    """What part of an image is shown, and how large it may be (PS3.18 §8.3.5.1.3).

    Attributes:
        width, height: of the box into which it is scaled, pixels; 0: as large as it is.
        left, top: where the part begins, pixels from the left and top.
        across, down: its size, pixels; None: up to the border. Negative ones flip it.
    """

    width: int
    height: int
    left: float = 0.0
    top: float = 0.0
    across: float | None = None
    down: float | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """All that can be wished of a rendered image.

    Attributes:
        window: instead of the VOI LUT of the image.
        viewport: None: as large as the image is.
        quality: of a JPEG, 1 to 100.
        annotations: of `ANNOTATIONS`, what is burnt in.
        profile: of `PROFILES`; "" where nothing is said.
    """

    window: Window | None = None
    viewport: Viewport | None = None
    quality: int = QUALITY
    annotations: tuple[str, ...] = ()
    profile: str = ""


def parse(parameters: Iterable[tuple[str, str]]) -> Wish:
    """The wish that the parameters of a rendered resource say.

    Raises:
        BadRequest: one of them is unknown, malformed, or there twice; the text names it.
    """
    return Wish(**_parsed(parameters, _READERS))


def parse_thumbnail(parameters: Iterable[tuple[str, str]]) -> Viewport | None:
    """The viewport that the parameters of a thumbnail say: no other is known (PS3.18 §8.3.6).

    Raises:
        BadRequest: as `parse`.
    """
    found = _parsed(parameters, {"viewport": _READERS["viewport"]}).get("viewport")
    return found if isinstance(found, Viewport) else None


def _parsed(
    parameters: Iterable[tuple[str, str]],
    readers: Mapping[str, tuple[str, Callable[[str], object], str]],
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in parameters:
        if name.lower() == "accept":
            continue
        if name not in readers:
            known = ", ".join(["accept", *readers])
            raise BadRequest(f"there is no parameter {name[:64]!r} here, but {known}")
        attribute, read, form = readers[name]
        if attribute in found:
            raise BadRequest(f"the parameter {name} is there twice")
        try:
            found[attribute] = read(text)
        except ValueError:
            raise BadRequest(f"the parameter {name} is not {form}") from None
    return found


def _window(text: str) -> Window:
    center, width, function = text.split(",")
    name = function.strip().upper().replace("-", "_")
    if name not in FUNCTIONS:
        raise ValueError
    window = Window(_decimal(center), _decimal(width), name)
    if not window.usable:
        raise ValueError
    return window


def _viewport(text: str) -> Viewport:
    parts = [part.strip() for part in text.split(",")]
    if not 2 <= len(parts) <= 6:  # noqa: PLR2004 - the size alone, or a region too
        raise ValueError
    width, height = (_integer(part, LONGEST) for part in parts[:2])
    if width * height > LARGEST:
        raise ValueError
    left, top, across, down = (
        _decimal(part) if part else None for part in (*parts[2:], *[""] * (6 - len(parts)))
    )
    left, top = left or 0.0, top or 0.0
    if left < 0 or top < 0 or across == 0 or down == 0:
        raise ValueError
    return Viewport(width, height, left, top, across, down)


def _quality(text: str) -> int:
    return _integer(text, 100)


def _annotations(text: str) -> tuple[str, ...]:
    wanted = [each.strip().lower() for each in text.split(",")]
    if any(each not in ANNOTATIONS for each in wanted):
        raise ValueError
    return tuple(each for each in ANNOTATIONS if each in wanted)


def _profile(text: str) -> str:
    if text.lower() not in PROFILES:
        raise ValueError
    return text.lower()


def _decimal(text: str) -> float:
    if not _DECIMAL.fullmatch(text.strip()) or abs(float(text)) > _HUGE:
        raise ValueError
    return float(text)


def _integer(text: str, most: int) -> int:
    if not _INTEGER.fullmatch(text) or not 1 <= int(text) <= most:
        raise ValueError
    return int(text)


_READERS: Final[dict[str, tuple[str, Callable[[str], object], str]]] = {
    "window": (
        "window",
        _window,
        "center,width,function with LINEAR (width from 1), LINEAR_EXACT or SIGMOID",
    ),
    "viewport": (
        "viewport",
        _viewport,
        (
            f"width,height[,left,top,across,down] of at most {LONGEST} pixels a side"
            f" and {LARGEST} in all"
        ),
    ),
    "quality": ("quality", _quality, "a whole number from 1 to 100"),
    "annotation": ("annotations", _annotations, "patient, technique or both"),
    "iccprofile": ("profile", _profile, f"one of {', '.join(PROFILES)}"),
}

PARAMETERS: Final = tuple(_READERS)
"""Their names."""
