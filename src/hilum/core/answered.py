"""One answer of a far side as a match."""

from typing import Any

from hilum.codec import dicom_json
from hilum.codec.dicom_json import Attributes
from hilum.core.levels import UNIQUE
from hilum.core.sift import value_of
from hilum.model.identity import Level

_RETRIEVE_URL = "00081190"
_CHARSET = "00080005"
_BULK = b'"BulkDataURI"'
_PARTS = {
    Level.PATIENT: (),
    Level.STUDY: (("studies", Level.STUDY),),
    Level.SERIES: (("studies", Level.STUDY), ("series", Level.SERIES)),
    Level.IMAGE: (
        ("studies", Level.STUDY),
        ("series", Level.SERIES),
        ("instances", Level.IMAGE),
    ),
}


class Answered:
    """Implements `model.match.Match` over attributes that came from elsewhere.

    Args:
        attributes: in the DICOM JSON Model; not changed any more.
        level: of what they describe.
    """

    __slots__ = ("_attributes", "_level")

    def __init__(self, attributes: Attributes, level: Level) -> None:
        self._attributes = attributes
        self._level = level

    def dicom_json(self, retrieve_root: str | None = None) -> bytes:
        """See `model.match.Match`."""
        attributes = dict(self._attributes)
        attributes.pop(_RETRIEVE_URL, None)  # the far side's own, which is not how to get there
        if attributes.get(_CHARSET, {}).get("Value"):
            attributes[_CHARSET] = _utf_8()
        url = "" if retrieve_root is None else self._url(retrieve_root)
        if url:
            attributes[_RETRIEVE_URL] = {"vr": "UR", "Value": [url]}
        data = dicom_json.dumps(dict(sorted(attributes.items())))
        if _BULK in data:  # at the far side, where no client of ours may be allowed to look
            attributes = _without_bulk(attributes)
        elif data.isascii() or _CHARSET in attributes:
            return data
        if not data.isascii():
            attributes.setdefault(_CHARSET, _utf_8())
        return dicom_json.dumps(dict(sorted(attributes.items())))

    def decoded(self) -> Attributes:
        """See `model.match.Match`."""
        return self._attributes

    def _url(self, root: str) -> str:
        """The resource of the answer; "" for a patient, and where a UID is not told."""
        parts = [
            (name, value_of(self._attributes, f"{UNIQUE[level]:08X}"))
            for name, level in _PARTS[self._level]
        ]
        if not parts or not all(uid for _, uid in parts):
            return ""
        return root + "".join(f"/{name}/{uid}" for name, uid in parts)


def _utf_8() -> dict[str, Any]:
    return {"vr": "CS", "Value": ["ISO_IR 192"]}


def _without_bulk(node: Any) -> Any:  # noqa: ANN401 - any JSON
    """The same, without the attributes whose values are elsewhere."""
    if isinstance(node, list):
        return [_without_bulk(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _without_bulk(each)
        for key, each in node.items()
        if not (isinstance(each, dict) and "BulkDataURI" in each)
    }
