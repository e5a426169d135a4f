"""How are the answers to a search written? As FHIR's Bundle."""

from collections.abc import Iterable
from urllib.parse import quote, urlencode

from hilum.codec.fhir.values import Element


def searchset(
    links: Iterable[tuple[str, str]], entries: Iterable[Element], total: int | None
) -> Element:
    """The Bundle.

    Args:
        links: relation and URL.
        entries: see `entry`.
        total: matches in all pages together; None: it is not known.
    """
    made: Element = {"resourceType": "Bundle", "type": "searchset"}
    if total is not None:
        made["total"] = total
    made["link"] = [{"relation": relation, "url": url} for relation, url in links]
    if listed := [*entries]:
        made["entry"] = listed
    return made


def entry(root: str, resource: Element, mode: str) -> Element:
    """One resource in it; `mode` is `match`, `include` or `outcome`."""
    made: Element = {}
    if "id" in resource:
        made["fullUrl"] = f"{root}/{resource['resourceType']}/{resource['id']}"
    return {**made, "resource": resource, "search": {"mode": mode}}


def link(base: str, pairs: Iterable[tuple[str, str]]) -> str:
    """The URL of a page."""
    said = urlencode([*pairs], quote_via=quote)
    return f"{base}?{said}" if said else base
