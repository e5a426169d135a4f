"""Every reader of what others send, each as one function of bytes: what fuzzing calls.

A target ends, or raises one of its own errors. Anything else that comes out of it is a finding,
and so is a small input that takes long.
"""

import tomllib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jwt import PyJWK
from starlette.requests import Request
from tests.fuzz import seeds

from hilum.codec import (
    again,
    associate,
    chosen,
    dicom_json,
    dicom_xml,
    dimse,
    fragments,
    http_body,
    identifier,
    identifiers,
    media_type,
    multipart,
    part10,
    pdu,
    prefix,
    qido,
    reencode,
    send_status,
    stow_answer,
)  # fmt: skip
from hilum.codec.compose import Stretch, composed
from hilum.codec.dataset_pieces import pieces_of
from hilum.codec.elements import walk
from hilum.codec.fhir import parameters as fhir
from hilum.codec.json_dataset import to_dataset
from hilum.codec.json_stream import JsonStream
from hilum.codec.malformed import malformed
from hilum.codec.remembered import Remembered
from hilum.config.auth import TokenSettings
from hilum.config.load import ConfigError, read
from hilum.config.schema import HttpSettings, Settings
from hilum.core.fhir import holds
from hilum.frontends.dicomweb import frames, ranges, rendered, root, wado_uri_query
from hilum.frontends.dicomweb.compressed import coding
from hilum.frontends.fhir import kinds
from hilum.imaging import codestream, document, wish
from hilum.imaging.index import frame
from hilum.imaging.read import look
from hilum.imaging.values import Values
from hilum.model.errors import BackendFault, HilumError
from hilum.model.identity import Level, Ref
from hilum.model.outcome import Stored
from hilum.net.keys import Fixed
from hilum.net.refused import retry_after
from hilum.net.tokens import Tokens

_HILUM = (HilumError,)
_PDU = (pdu.PduError,)


@dataclass(frozen=True, slots=True)
class Target:
    """One reader.

    Attributes:
        errors: what it may raise.
        seeds: good input.
    """

    run: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]
    seeds: tuple[bytes, ...]

    def __call__(self, data: bytes) -> None:
        """Read it.

        Raises:
            Exception: a finding.
        """
        with suppress(*self.errors):
            self.run(data)


def _syntax(data: bytes) -> tuple[bytes, str]:
    """A data set, and the Transfer Syntax that its first byte names."""
    return data[1:], seeds.SYNTAXES[data[0] % len(seeds.SYNTAXES)] if data else seeds.SYNTAXES[0]


def _cuts(data: bytes) -> Iterable[bytes]:
    """The same bytes as the network may give them: in pieces of 1, 2, 3, … bytes."""
    at, size = 0, 1
    while at < len(data):
        yield data[at : at + size]
        at, size = at + size, size + 1


def _pairs(data: bytes) -> list[tuple[str, str]]:
    """The parameters of a URL, as starlette reads them."""
    return parse_qsl(data.decode("latin-1"), keep_blank_values=True)


def _fed(parser: Any, data: bytes) -> None:
    for piece in _cuts(data):
        for _ in parser.feed(piece):
            pass
    parser.close()


def _pdus(data: bytes) -> None:
    reader = pdu.PduReader(16384)
    for piece in _cuts(data):
        for event in reader.feed(piece):
            if isinstance(event, pdu.Associate):
                associate.parse(event)


def _associate(data: bytes) -> None:
    for kind in (pdu.Pdu.ASSOCIATE_RQ, pdu.Pdu.ASSOCIATE_AC):
        with suppress(pdu.PduError):
            says = associate.parse(pdu.Associate(kind, data))
            associate.parse(associate.encode(says))


def _described(data: bytes) -> None:
    read, syntax = _syntax(data)
    found = dicom_json.from_encoded(read, syntax)
    malformed(found.attributes)
    attributes = dicom_json.loads(dicom_json.dumps(found.attributes))
    dicom_xml.loads(dicom_xml.dumps(attributes))
    for path in ("7FE00010", "0040A730/0/0040A160", "00291010/1", "x/y/z", ""):
        with suppress(HilumError):
            dicom_json.bulk_at(read, syntax, path)


def _again(data: bytes) -> None:
    remembered = Remembered()
    for _ in range(2):
        again.read(data, seeds.SYNTAXES[0], remembered)


def _prefix(data: bytes) -> None:
    read, syntax = _syntax(data)
    parser = prefix.Prefix(syntax)
    for piece in _cuts(read):
        parser.feed(piece)
    parser.described()


def _uids(data: bytes) -> None:
    read, syntax = _syntax(data)
    for study in (True, False):
        for complete in (True, False):
            with suppress(HilumError):
                identifiers.look(read, syntax, study=study, complete=complete)


def _identifier(data: bytes) -> None:
    read, syntax = _syntax(data)
    found = identifier.parse(read, syntax)
    for patient_root in (True, False):
        with suppress(HilumError):
            identifier.to_query(found, patient_root=patient_root, relational=not patient_root)
        with suppress(HilumError):
            identifier.to_refs(found, patient_root=patient_root)


def _reencoded(data: bytes) -> None:
    read, syntax = _syntax(data)
    for target in seeds.SYNTAXES:
        with suppress(HilumError):
            crossing = reencode.Reencoder(syntax, target)
            for piece in _cuts(read):
                crossing.feed(piece)
            crossing.close(cut=bool(len(data) % 2))


def _looked(data: bytes) -> None:
    read, syntax = _syntax(data)
    looked = look(read, syntax, describe=True)
    if looked.index is not None and not looked.inflated:
        for number in (0, 1, 2):
            with suppress(HilumError):
                frame(read, looked.index, number)


def _report(data: bytes) -> None:
    read, syntax = _syntax(data)
    header = Values(walk(read, syntax))
    document.is_document(header)
    for kind in (media_type.HTML, media_type.TEXT):
        with suppress(HilumError):
            document.written(header, kind)


def _codestream(data: bytes) -> None:
    for reader in (codestream.jpeg, codestream.jpeg_2000):
        with suppress(HilumError):
            reader(data)


def _put_together(attributes: dict[str, Any]) -> None:
    with suppress(HilumError):
        to_dataset(attributes)
    pieces = pieces_of(attributes)
    composed(pieces, attributes, lambda uri: [Stretch(0, 8)] if uri else ())


def _json_stream(data: bytes) -> None:
    stream = JsonStream(4096)
    for piece in _cuts(data):
        for text in stream.feed(piece):
            dicom_json.loads(text)
    stream.close()


def _told(data: bytes) -> None:
    sent = Stored(sop_class_uid="1.2", sop_instance_uid="1.2.3")
    for status in (200, 202, 409, 500):
        stow_answer.judged(status, data, sent)
    with suppress(BackendFault):
        send_status.parse(dicom_json.loads(data))


def _media_types(data: bytes) -> None:
    text = data.decode("latin-1")
    ranges = media_type.accepted(text)
    media_type.choose(ranges, (media_type.DICOM_PARTS, media_type.DICOM_JSON))
    media_type.rules_out(ranges, media_type.DICOM, "1.2.840.10008.1.2")
    media_type.parse(text)


def _boundary(data: bytes) -> None:
    boundary = media_type.parse(data.decode("latin-1")).parameters.get("boundary", "")
    multipart.MultipartReader(boundary)


def _chunked(data: bytes) -> None:
    body = http_body.Chunked()
    for piece in _cuts(data):
        body.feed(piece)
    body.eof()


def _qido(data: bytes) -> None:
    for level in (Level.STUDY, Level.SERIES, Level.IMAGE):
        with suppress(HilumError):
            query = qido.parse(level, _pairs(data), {0x0020000D: "1.2.3"}).query
            qido.parse(level, qido.encode(query))
        with suppress(HilumError):
            chosen.chosen(level, Ref(study="1.2.3"), _pairs(data))


def _fhir(data: bytes) -> None:
    for each in (kinds.STUDIES, kinds.PATIENTS, kinds.ENDPOINTS):
        for strict in (True, False):
            with suppress(HilumError):
                said = fhir.parse(_pairs(data), each.offers, strict=strict)
                for condition in said.conditions:
                    with suppress(HilumError):
                        holds.checked(condition)(())


def _parameters(data: bytes) -> None:
    with suppress(HilumError):
        wish.parse(_pairs(data))
    with suppress(HilumError):
        wish.parse_thumbnail(_pairs(data))
    wado_uri_query.parse(_pairs(data))


def _frame_lists(data: bytes) -> None:
    text = data.decode("latin-1")
    for reader in (rendered.frame_numbers, frames._numbers):
        with suppress(HilumError):
            reader(text)


def _headers(data: bytes) -> None:
    """One header after another, a line each, in the readers of those that we look into."""
    lines = [*data.split(b"\n"), b"", b"", b""][:4]
    names = (b"range", b"accept-encoding", b"forwarded", b"host")
    scope = {
        "type": "http", "method": "GET", "scheme": "http", "path": "/", "query_string": b"",
        "server": ("h", 80), "headers": list(zip(names, lines, strict=True)),
    }  # fmt: skip
    request = Request(scope)
    span = ranges.span(request, 100, None)
    assert span is None or 0 <= span.start < span.start + span.length <= 100
    coding(request)
    for line in lines:
        retry_after(line.decode("latin-1"))
    root.service_root(request, HttpSettings(trust_forwarded=True))


_SECRET = "thirty-two bytes, or it is no key."  # noqa: S105 - of nothing
_TOKENS = Tokens(
    TokenSettings(audience=("urn:hilum",), algorithms=("HS256", "RS256", "ES256")),
    Fixed(PyJWK({"kty": "oct", "k": "dGhpcnR5LXR3byBieXRlcywgb3IgaXQgaXMgbm8ga2V5Lg"}, "HS256")),
)


def _token(data: bytes) -> None:
    verifying = _TOKENS.verified(data.decode("latin-1"))
    try:
        verifying.send(None)  # nothing in it waits
    except StopIteration as done:
        raise AssertionError("a token that nobody signed was believed") from done
    finally:
        verifying.close()


def _configuration(data: bytes) -> None:
    try:
        table = tomllib.loads(data.decode())
    except (ValueError, RecursionError):  # as `load` takes them
        return
    read(Settings, Path("config.toml"), table, {"S": _SECRET})


TARGETS: dict[str, Target] = {
    "pdu": Target(_pdus, _PDU, (*seeds.pdus(),)),
    "associate": Target(_associate, _PDU, (*seeds.associations(),)),
    "command": Target(dimse.parse, _PDU, (*seeds.commands(),)),
    "identifier": Target(_identifier, _HILUM, (*seeds.identifiers(),)),
    "header": Target(lambda data: walk(*_syntax(data)), _HILUM, (*seeds.data_sets(),)),
    "described": Target(_described, _HILUM, (*seeds.data_sets(),)),
    "again": Target(_again, _HILUM, (*(each[1:] for each in seeds.data_sets()),)),
    "prefix": Target(_prefix, _HILUM, (*seeds.data_sets(),)),
    "uids": Target(_uids, _HILUM, (*seeds.data_sets(),)),
    "reencode": Target(_reencoded, _HILUM, (*seeds.data_sets(),)),
    "pixels": Target(_looked, _HILUM, (*seeds.data_sets(),)),
    "report": Target(_report, _HILUM, (*seeds.data_sets(),)),
    "part10": Target(lambda data: part10.read_head(data, complete=True), _HILUM, (*seeds.files(),)),
    "frames": Target(
        lambda data: _fed(fragments.FrameReader("1.2.840.10008.1.2.4.50"), data),
        _HILUM,
        (seeds.encapsulated(),),
    ),
    "codestream": Target(_codestream, _HILUM, (b"\xff\xd8\xff\xc0\0\x0b\x08\0\2\0\2\1\1\x11\0",)),
    "json": Target(
        lambda data: _put_together(dicom_json.loads(data)), _HILUM, (*seeds.json_texts(),)
    ),
    "json-stream": Target(_json_stream, _HILUM, (*(b"[%s]" % e for e in seeds.json_texts()),)),
    "xml": Target(lambda data: _put_together(dicom_xml.loads(data)), _HILUM, (*seeds.xml_texts(),)),
    "answer": Target(_told, _HILUM, (*seeds.json_texts(), *seeds.xml_texts())),
    "multipart": Target(
        lambda data: _fed(multipart.MultipartReader("b"), data), _HILUM, (*seeds.multipart(),)
    ),
    "boundary": Target(_boundary, _HILUM, (b'multipart/related; boundary="x y"',)),
    "chunked": Target(_chunked, (http_body.Malformed,), (b"5;x=y\r\nabcde\r\n0\r\nA: b\r\n\r\n",)),
    "media-types": Target(_media_types, (), seeds.ACCEPTS),
    "qido": Target(_qido, _HILUM, seeds.QUERIES),
    "fhir": Target(_fhir, _HILUM, seeds.FHIR),
    "parameters": Target(_parameters, _HILUM, (*seeds.WADO_URI, *seeds.RENDERED)),
    "frame-lists": Target(_frame_lists, _HILUM, (b"1,2,30",)),
    "headers": Target(
        _headers, _HILUM, (b"bytes=1-5\ngzip;q=0.5, zstd\nfor=a;host=b:1;proto=https\nh:80",)
    ),
    "token": Target(_token, _HILUM, (*seeds.tokens(),)),
    "configuration": Target(_configuration, (ConfigError,), seeds.TOML),
}
"""All of them, by name."""
