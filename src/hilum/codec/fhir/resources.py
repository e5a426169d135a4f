"""What does a FHIR server say? Its Bundles and what is in them, none of which is taken on trust."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from hilum.codec.fhir.values import Element, clean
from hilum.model.errors import BadRequest

_NOTHING: Final[Element] = {}


def within(element: object, name: str) -> Element:
    """The element of that name in another; an empty one where there is none."""
    found = element.get(name) if isinstance(element, dict) else None
    return found if isinstance(found, dict) else _NOTHING


def every(element: object, name: str) -> list[Element]:
    """The elements of that name in another."""
    found = element.get(name) if isinstance(element, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def said(element: object, name: str) -> str:
    """The text of that name; "" where there is none."""
    found = element.get(name) if isinstance(element, dict) else None
    return clean(found) if isinstance(found, str) else ""


def all_said(element: object, name: str) -> list[str]:
    """The texts of that name."""
    found = element.get(name) if isinstance(element, dict) else None
    texts = found if isinstance(found, list) else ()
    return [text for each in texts if isinstance(each, str) and (text := clean(each))]


def counted(element: object, name: str) -> int | None:
    """The whole number of that name, of at least 0."""
    found = element.get(name) if isinstance(element, dict) else None
    if not isinstance(found, int) or isinstance(found, bool):
        return None
    return found if 0 <= found < 2**31 else None


@dataclass(frozen=True, slots=True)
class Page:
    """What one answer to a search holds.

    Attributes:
        matches: what was looked for.
        beside: what was given with it, by `Patient/1` and by its full URL.
        following: URL of the next page, as it stands there; "": there is none.
        total: how many there are in all, where that is told.
    """

    matches: list[Element]
    beside: Mapping[str, Element] = field(default_factory=dict)
    following: str = ""
    total: int | None = None

    def referred(self, reference: Element, owner: Element, root: str) -> Element | None:
        """What a Reference leads to, where it is here: in the page, or in its owner."""
        name = said(reference, "reference")
        if name.startswith("#"):
            contained = every(owner, "contained")
            return next((each for each in contained if said(each, "id") == name[1:]), None)
        return self.beside.get(local(name, root))


def local(reference: str, root: str) -> str:
    """A reference as `Patient/1`, where it leads to the server itself; else as it stands."""
    return reference.removeprefix(root + "/").partition("/_history/")[0]


def page(data: bytes, kind: str, root: str) -> Page:
    """The answer to a search.

    Args:
        data: of the body.
        kind: the type that was looked for.
        root: the server's.

    Raises:
        BadRequest: it is no Bundle.
    """
    try:
        bundle = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadRequest("not JSON") from error
    if said(bundle, "resourceType") != "Bundle":
        raise BadRequest("no Bundle")
    matches: list[Element] = []
    beside: dict[str, Element] = {}
    for each in every(bundle, "entry"):
        resource = within(each, "resource")
        type_, id_ = said(resource, "resourceType"), said(resource, "id")
        mode = said(within(each, "search"), "mode")
        if type_ == kind and mode in {"", "match"}:
            matches.append(resource)
        elif type_ and id_:
            beside[f"{type_}/{id_}"] = resource
            if url := said(each, "fullUrl"):
                beside[local(url, root)] = resource
    return Page(matches, beside, next(_following(bundle), ""), counted(bundle, "total"))


def _following(bundle: object) -> Iterator[str]:
    for each in every(bundle, "link"):
        if said(each, "relation") == "next":
            yield said(each, "url")


def issue(data: bytes) -> str:
    """What an OperationOutcome says is wrong: its code, as its texts may hold anything."""
    try:
        outcome: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        return ""
    found = (said(each, "code") for each in every(outcome, "issue"))
    code = next(found, "")
    return code if code.replace("-", "").isalpha() and len(code) < 30 else ""  # noqa: PLR2004 - the longest has 17
