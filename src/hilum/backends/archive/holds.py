"""How SQLite asks whether a stored attribute holds what a key asks for.

For the attributes that have no column of their own: called by SQLite as `hilum_holds`.
"""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import orjson

from hilum.backends.archive.deflated import dictionary_of, inflate
from hilum.core.matching import all_hold

FUNCTION: Final = "hilum_holds"
"""Name in SQL: `hilum_holds(key, lines, more lines, NULL)`, or, of whole metadata,
`hilum_holds(key, deflated JSON, NULL, its dictionary or NULL)`."""

Asked = Mapping[str, "str | Asked"]
"""Tags to what they ask for: the text of a key, or the keys within an item of a sequence."""


def key_text(asked: Asked, *, fuzzy: bool) -> str:
    """The first argument of the SQL function."""
    return json.dumps([asked, fuzzy], sort_keys=True)


def holds(key: str, first: bytes, second: bytes | None, dictionary: bytes | None) -> int:
    """1 if the attributes hold what `key` asks for, else 0."""
    asked, fuzzy = _asked(key)
    if second is not None:
        find = _in_lines(first, second)
    else:
        find = _in_json(inflate(first, dictionary_of(dictionary)), asked)
    return int(all_hold(asked, find, fuzzy=fuzzy))


@lru_cache(maxsize=256)
def _asked(key: str) -> tuple[dict[str, Any], bool]:
    asked, fuzzy = json.loads(key)
    return asked, fuzzy


def _in_lines(*blobs: bytes) -> Callable[[str], Any]:
    """Looks attributes up in lines of `TAG":{...}`."""

    def find(tag: str) -> object:
        start = tag.encode() + b'":'
        for blob in blobs:
            at = 0 if blob.startswith(start) else blob.find(b"\n" + start) + 1
            if at or blob.startswith(start):
                end = blob.find(b"\n", at)
                return orjson.loads(blob[at + len(start) : end if end >= 0 else None])
        return None

    return find


def _in_json(text: bytes, asked: Asked) -> Callable[[str], Any]:
    """Looks attributes up in one JSON object, parsed only when it has all of them."""
    if not all(b'"%s":' % tag.encode() in text for tag in asked):
        return lambda _tag: None
    attributes = orjson.loads(text)
    return attributes.get  # type: ignore[no-any-return] # JSON
