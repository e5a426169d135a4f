"""What may stay of an HTTP request and its answer: of paths, queries, headers and bodies."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlencode

from pydicom.datadict import dictionary_VR, tag_for_keyword

from hilum.cli.record import datasets
from hilum.cli.record.disguise import KEPT, Disguise
from hilum.codec import media_type
from hilum.codec.multipart import MultipartReader, PartData, PartEnded, PartStarted
from hilum.model.errors import HilumError
from hilum.model.identity import is_uid

_PATH_WORDS: Final = """
    aets dcm4chee-arc dicomweb dicom-web dicom_web rs wado qido-rs wado-rs stow-rs wado-uri
    studies series instances frames metadata rendered thumbnail bulkdata pixeldata send-requests
    jobs health
    livez readyz metrics openapi.yaml openapi.json fhir ImagingStudy Patient Endpoint _search
    Subscription viewer ui login logout
"""
_PARAMETER_WORDS: Final = """
    limit offset includefield fuzzymatching emptyvaluematching multiplevaluematching accept
    requestType contentType transferSyntax frameNumber rows columns region windowCenter
    windowWidth imageQuality annotation window viewport quality iccprofile charset destination
    _count _sort _total _include _revinclude _elements _summary _format _pretty
"""
_HEADER_WORDS: Final = """
    accept accept-charset accept-encoding accept-ranges allow cache-control connection
    content-encoding content-length content-range content-type prefer range retry-after server
    transfer-encoding user-agent vary
"""
_PATHS: Final = frozenset(_PATH_WORDS.split())
_PARAMETERS: Final = frozenset(_PARAMETER_WORDS.split())
_HEADERS: Final = frozenset(_HEADER_WORDS.split())
_NUMBERS: Final = re.compile(r"\d+(,\d+)*")
_OF_BULK: Final = re.compile(r"[0-9A-Fa-f]{8}|\d{1,4}")  # tags, and items of sequences
_PLAIN: Final = "!$&'()*+,;=:@"  # what a path may hold as it is (RFC 3986 §3.3)
_JSON: Final = frozenset((media_type.DICOM_JSON, media_type.JSON))
_PART10: Final = b"DICM"


def target(disguise: Disguise, text: str) -> str:
    """A path and its query: the words of DICOMweb and FHIR stay, UIDs and values change."""
    path, _, query = text.partition("?")
    words: list[str] = []
    for word in map(unquote, path.split("/")):
        words.append(quote(_path_word(disguise, word, words), safe=_PLAIN))
    asked = parse_qsl(query, keep_blank_values=True)
    pairs = [(name, _value(disguise, name, value)) for name, value in asked]
    return "/".join(words) + (f"?{urlencode(pairs)}" if pairs else "")


def _path_word(disguise: Disguise, word: str, above: list[str]) -> str:
    before = above[-1] if above else ""
    if not word or word in _PATHS or before == "aets" or (before == "viewer" and "." in word):
        return word
    if is_uid(word) and "." in word:
        return disguise.uid(word)
    if before == "frames" and _NUMBERS.fullmatch(word):
        return word
    if "bulkdata" in above and _OF_BULK.fullmatch(word):
        return word
    return disguise.word(word)


def _value(disguise: Disguise, name: str, value: str) -> str:
    if name in _PARAMETERS:
        return value
    keyword = name.rpartition(".")[2]
    tag = int(keyword, 16) if re.fullmatch(r"[0-9A-Fa-f]{8}", keyword) else tag_for_keyword(keyword)
    if tag in KEPT:
        return value
    guessed = "UI" if is_uid(value) and "." in value else "LO"
    vr = guessed if tag is None else _vr_of(tag)
    parts = re.split(r"([,\\])", value)
    return "".join(each if each in {",", "\\"} else disguise.text(vr, each) for each in parts)


def _vr_of(tag: int) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "LO"


def headers(told: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Those that say how; of the others only that they were there."""
    found: dict[str, str] = {}
    for name_, value in told:
        name = name_.decode("latin-1").lower()
        found[name] = value.decode("latin-1") if name in _HEADERS else "(removed)"
    return found


def body(disguise: Disguise, said: Mapping[str, str], content: bytes) -> dict[str, Any] | None:
    """What a record holds of a body, which is whole; None where there is none.

    Data sets and DICOM JSON are disguised; of all else only the length stays.
    """
    if not content:
        return None
    size = {"bytes": len(content)}
    kind = media_type.parse(said.get("content-type", ""))
    if said.get("content-encoding", "identity") != "identity":
        return {**size, "zeros": len(content)}
    if kind.kind.startswith("multipart/"):
        parts = _parts(disguise, kind.parameters.get("boundary", ""), content)
        return {**size, "parts": parts} if parts is not None else {**size, "zeros": len(content)}
    return {**size, **_single(disguise, kind.kind, content)}


def _single(disguise: Disguise, kind: str, content: bytes) -> dict[str, Any]:
    if kind == media_type.DICOM or content[128:132] == _PART10:
        attributes = datasets.told_of_file(disguise, content)
        if attributes is not None:
            return {"dataset": attributes, "transfer_syntax": datasets.syntax_of_file(content)}
    if kind in _JSON:
        found = _attributes(disguise, content)
        if found is not None:
            return {"json": found}
    return {"zeros": len(content)}


def _attributes(disguise: Disguise, content: bytes) -> list[Any] | None:
    """DICOM JSON; None where it is anything else."""
    try:
        told = json.loads(content)
    except ValueError:
        return None
    items = told if isinstance(told, list) else [told]
    if not all(isinstance(each, dict) and _is_dicom(each) for each in items):
        return None
    return [disguise.attributes(each) for each in items]


def _is_dicom(told: Mapping[str, Any]) -> bool:
    return all(re.fullmatch(r"[0-9A-Fa-f]{8}", name) for name in told)


def _parts(disguise: Disguise, boundary: str, content: bytes) -> list[Any] | None:
    found: list[Any] = []
    said: Mapping[str, str] = {}
    piece = bytearray()
    try:
        for event in MultipartReader(boundary).feed(content):
            match event:
                case PartStarted():
                    said, piece = event.headers, bytearray()
                case PartData():
                    piece += event.data
                case PartEnded():
                    kind = said.get("content-type", "")
                    one = _single(disguise, media_type.parse(kind).kind, bytes(piece))
                    found.append({"type": kind, "bytes": len(piece), **one})
    except (HilumError, ValueError):
        return None
    return found
