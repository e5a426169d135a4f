"""What do the parameters of WADO-URI ask for? (PS3.18 §9.1.2)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from hilum.codec import media_type
from hilum.codec.media_type import MediaType
from hilum.imaging import wish
from hilum.imaging.wish import LARGEST, LONGEST, Wish
from hilum.model.errors import BadRequest, NotAcceptable
from hilum.model.identity import Ref, is_uid

PARAMETERS: Final = (
    "requestType", "studyUID", "seriesUID", "objectUID", "contentType", "charset", "anonymize",
    "transferSyntax", "frameNumber", "rows", "columns", "region", "windowCenter", "windowWidth",
    "imageQuality", "annotation", "presentationUID", "presentationSeriesUID",
)  # fmt: skip
"""All that are known; what else there is says nothing."""

_NAMES = {name.lower(): name for name in PARAMETERS}
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_SHARE = re.compile(r"[01]?(\.[0-9]{1,12})?")

Region = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Query:
    """One request.

    Attributes:
        kinds: media types that are taken, the best first; empty where it does not say.
        transfer_syntax: a UID, or "".
        frame: from 0; None: all there is.
        region: left, top, right, bottom of what is shown, in parts of the image.
        wish: how it is to look, but for the region.
        is_rendered: it says something that only a rendered image can have.
    """

    ref: Ref
    kinds: tuple[MediaType, ...]
    transfer_syntax: str
    frame: int | None
    region: Region | None
    wish: Wish
    is_rendered: bool


def parse(parameters: Iterable[tuple[str, str]]) -> Query:
    """Read them; names in any case, what is not known is passed over.

    Text goes out in UTF-8, whatever `charset` says.

    Raises:
        BadRequest: one of them is missing, malformed or there twice; the text names it.
        NotAcceptable: it is asked for what is not offered here.
    """
    given = _given(parameters)
    if given.get("requestType", "").upper() != "WADO":
        raise BadRequest("the parameter requestType is not WADO")
    ref = Ref(
        study=_uid(given, "studyUID"),
        series=_uid(given, "seriesUID"),
        instance=_uid(given, "objectUID"),
    )
    _refuse(given)
    frame = _number(given, "frameNumber")
    shape = _wish(given)
    region = _region(given["region"]) if "region" in given else None
    return Query(
        ref=ref,
        kinds=tuple(media_type.accepted(given.get("contentType", ""))),
        transfer_syntax=_uid(given, "transferSyntax") if "transferSyntax" in given else "",
        frame=None if frame is None else frame - 1,
        region=region,
        wish=shape,
        is_rendered=frame is not None or region is not None or shape != Wish(),
    )


def _given(parameters: Iterable[tuple[str, str]]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, text in parameters:
        known = _NAMES.get(name.lower())
        if known is None or not text.strip():
            continue
        if known in given and known != "contentType":
            raise BadRequest(f"the parameter {known} is there twice")
        given[known] = f"{given[known]},{text}" if known in given else text.strip()
    return given


def _refuse(given: Mapping[str, str]) -> None:
    """Refuse what would have to be done and is not."""
    if "anonymize" in given:
        if given["anonymize"].lower() != "yes":
            raise BadRequest("the parameter anonymize is not yes")
        raise NotAcceptable("de-identification (anonymize) is not offered")
    if "presentationUID" in given or "presentationSeriesUID" in given:
        raise NotAcceptable("presentation states (presentationUID) are not applied here")


def _uid(given: Mapping[str, str], name: str) -> str:
    uid = given.get(name, "")
    if not is_uid(uid):
        raise BadRequest(f"the parameter {name} is {'no UID' if uid else 'missing'}")
    return uid


def _number(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise BadRequest(f"the parameter {name} is not a whole number from 1")
    return int(text)


def _wish(given: Mapping[str, str]) -> Wish:
    """How the image is to look, as the parameters of Retrieve Rendered have it."""
    said: list[tuple[str, str]] = []
    rows, columns = _number(given, "rows"), _number(given, "columns")
    if rows is not None or columns is not None:
        # A box without one side takes whatever the shape of the image needs there.
        columns = columns or min(LONGEST, LARGEST // (rows or 1))
        rows = rows or min(LONGEST, LARGEST // columns)
        said.append(("viewport", f"{columns},{rows}"))
    window = given.get("windowCenter"), given.get("windowWidth")
    if any(window):
        if not all(window):
            raise BadRequest("windowCenter and windowWidth go together")
        said.append(("window", f"{window[0]},{window[1]},LINEAR"))
    said += [
        (name, given[theirs])
        for theirs, name in (("imageQuality", "quality"), ("annotation", "annotation"))
        if theirs in given
    ]
    return wish.parse(said)


def _region(text: str) -> Region:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 4 and all(part and _SHARE.fullmatch(part) for part in parts):  # noqa: PLR2004
        left, top, right, bottom = (float(part) for part in parts)
        if 0 <= left < right <= 1 and 0 <= top < bottom <= 1:
            return left, top, right, bottom
    raise BadRequest("the parameter region is not left,top,right,bottom with numbers from 0 to 1")
