"""Hostile clients of the DICOMweb door."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress

from bench.hostile.dimse import MIB, bomb, deep, header, new_uid
from bench.hostile.place import AET, CHANCE, CT, SERIES, STUDY, Place, connected
from hilum.codec.header import DEFLATED, EXPLICIT_LITTLE
from hilum.codec.part10 import encode_meta

_RELATED = 'multipart/related; type="{}"; boundary=b'
_STUDIES = f"/aets/{AET}/studies"
_NONSENSE = (
    f"/aets/{AET}/studies/..%2f..%2f..%2fetc%2fpasswd/metadata", "/viewer/../../../etc/passwd",
    "/viewer/static/%2e%2e/%2e%2e/etc/passwd", f"{_STUDIES}?PatientNmae=x&StudyIntanceUID=1",
    f"{_STUDIES}?" + "&".join(f"includefield=0010{n:04X}" for n in range(3000)),
    f"{_STUDIES}?PatientName=" + "*a" * 2000, f"{_STUDIES}?" + "ContentSequence." * 2000 + "x=1",
    f"{_STUDIES}/{STUDY}/series/{SERIES}/instances/{SERIES}.1/frames/" + ",".join(["1"] * 9000),
    f"{_STUDIES}/{STUDY}/rendered?viewport=99999,99999", "/" + "a/" * 20000, "/%00%ff",
    f"/aets/{AET}/wado?requestType=WADO&studyUID=1&seriesUID=1&objectUID=1&rows=999999999",
)  # fmt: skip


def head(
    place: Place, path: str, method: str = "GET", more: Sequence[str] = (), token: str | None = None
) -> bytes:
    """A request's head; with a good token, unless another is given."""
    said = place.token if token is None else token
    lines = [f"{method} {path} HTTP/1.1", "Host: h", f"Authorization: Bearer {said}", *more]
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def posting(place: Place, kind: str, length: int | None) -> bytes:
    """The head of a STOW-RS request; chunked where no length is said."""
    said = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return head(place, _STUDIES, "POST", (f"Content-Type: {kind}", said))


def part(kind: str, data: bytes) -> bytes:
    """One part, alone."""
    return f"--b\r\nContent-Type: {kind}\r\n\r\n".encode() + data + b"\r\n--b--\r\n"


def chunk(data: bytes) -> bytes:
    """One of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


async def _sends(place: Place, *parts: bytes, listens: float = 10) -> None:
    async with connected(place, place.http) as wire:
        await wire.say(*parts)
        await wire.hear(listens)


async def is_silent(place: Place) -> None:
    """Connects, and says nothing."""
    await _sends(place, listens=60)


async def drips_a_head(place: Place) -> None:
    """A byte of its request now and then."""
    async with connected(place, place.http) as wire:
        for byte in head(place, _STUDIES):
            await wire.say(bytes((byte,)))
            await asyncio.sleep(0.2)


async def drips_a_body(place: Place) -> None:
    """A store of which a byte comes now and then."""
    async with connected(place, place.http) as wire:
        await wire.say(posting(place, _RELATED.format("application/dicom"), 100_000))
        for byte in part("application/dicom", encode_meta(CT, "1.2", EXPLICIT_LITTLE))[:50]:
            await wire.say(bytes((byte,)))
            await asyncio.sleep(0.5)


async def announces_gigabytes(place: Place) -> None:
    """10 GB, which is too long; or 5 GB, of which little comes."""
    size = CHANCE.choice((10, 5)) * 1000**3
    begin = part("application/dicom", encode_meta(CT, "1.2", EXPLICIT_LITTLE) + bytes(MIB))
    await _sends(place, posting(place, _RELATED.format("application/dicom"), size), begin)


async def sends_crumbs(place: Place) -> None:
    """A body in chunks of one byte."""
    uid = new_uid()
    file = encode_meta(CT, uid, EXPLICIT_LITTLE) + header(uid) + bytes(20_000)
    kind = CHANCE.choice(("application/dicom", "application/dicom+xml", "application/dicom+json"))
    body = part(kind, file)
    crumbs = b"".join(chunk(body[at : at + 1]) for at in range(len(body))) + chunk(b"")
    await _sends(place, posting(place, _RELATED.format(kind), None), crumbs)


async def stores_a_bomb(place: Place) -> None:
    """A deflated data set a thousand times as long as it looks; or a body said to be gzip."""
    data = bomb(hides=CHANCE.random() < 0.5)
    body = part("application/dicom", encode_meta(CT, "1.2.9.1.7", DEFLATED) + data)
    await _sends(place, posting(place, _RELATED.format("application/dicom"), len(body)), body)


async def nests(place: Place) -> None:
    """Sequences in sequences, in each of the languages that a data set may be written in."""
    levels, uid = 5000, new_uid()
    json_text = b'[{"0040A730":{"vr":"SQ","Value":' * levels + b"}]" * levels
    sequence = b'<DicomAttribute tag="0040A730" vr="SQ"><Item number="1">'
    kind, text = CHANCE.choice(
        (
            ("application/dicom+json", json_text),
            ("application/dicom+xml", b"<NativeDicomModel>" + sequence * levels),
            ("application/dicom+xml", _entities()),
            ("application/dicom", encode_meta(CT, uid, EXPLICIT_LITTLE) + header(uid) + deep()),
        )
    )
    body = part(kind, text)
    await _sends(place, posting(place, _RELATED.format(kind), len(body)), body)


def _entities() -> bytes:
    """A billion laughs."""
    lines = [f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12)]
    return f'<!DOCTYPE x [<!ENTITY l0 "lol">{"".join(lines)}]><x>&l11;</x>'.encode()


async def sends_many_parts(place: Place) -> None:
    """Thousands of parts without anything in them; or one without an end."""
    many = b"--b\r\n\r\n\r\n" * 20_000 + b"--b--\r\n"
    body = CHANCE.choice((many, b"--b\r\n" + b"A: b\r\n" * 10_000, b"--bb" * 20_000))
    kind = _RELATED.format("application/dicom")
    await _sends(place, posting(place, kind, len(body) + 1000), body, listens=5)


async def says_nonsense(place: Place) -> None:
    """Bytes that are no HTTP; heads without an end, or with too much in them."""
    said = CHANCE.choice(
        (
            CHANCE.randbytes(10_000), b"\n" * 50_000,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000,
            b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: h\r\n\r\n",
        )
    )  # fmt: skip
    await _sends(place, said, listens=5)


async def asks_for_nonsense(place: Place) -> None:
    """Paths and parameters that are none."""
    more = (f"Range: bytes={'0-1,' * 500}", f"Accept: {'*/*;q=0.1,' * 1000}")
    await _sends(place, head(place, CHANCE.choice(_NONSENSE), more=more), listens=1)


async def tries_tokens(place: Place) -> None:
    """One token after another that nobody signed."""
    async with connected(place, place.http) as wire:
        for _ in range(50):
            name = json.dumps({"alg": CHANCE.choice(("HS256", "none", "RS256"))}).encode().hex()
            token = f"{name}.{CHANCE.randbytes(100).hex()}.{CHANCE.randbytes(32).hex()}"
            await wire.say(head(place, _STUDIES, token=token))
            await wire.reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.01)


async def asks_often(place: Place) -> None:
    """Hundreds of requests on one connection, as quickly as they are answered."""
    async with connected(place, place.http) as wire:
        for _ in range(300):
            await wire.say(head(place, f"{_STUDIES}?limit=1"))
            await wire.reader.readuntil(b"\r\n\r\n")


async def asks_at_once(place: Place) -> None:
    """Requests behind one another, before any is answered."""
    await _sends(place, 200 * head(place, f"{_STUDIES}?limit=1"), listens=5)


async def connects_often(place: Place) -> None:
    """Many connections, that do nothing."""

    async def once() -> None:
        with suppress(OSError):
            await _sends(place, b"GET", listens=2)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(100):
            tasks.create_task(once())


async def is_cut_off(place: Place) -> None:
    """Leaves while it is answered."""
    async with connected(place, place.http, deaf=True) as wire:
        await wire.say(head(place, f"{_STUDIES}/{STUDY}"))
        await wire.reader.read(CHANCE.randrange(1, 4000))
        wire.reset()


async def does_not_listen(place: Place) -> None:
    """Asks for more than its connection holds, and reads nothing."""
    async with connected(place, place.http, deaf=True) as wire:
        await wire.say(50 * head(place, f"{_STUDIES}/{STUDY}"))
        await asyncio.sleep(CHANCE.choice((0.1, 1, 20)))
        wire.reset()


CLIENTS = (
    is_silent, drips_a_head, drips_a_body, announces_gigabytes, sends_crumbs, stores_a_bomb, nests,
    sends_many_parts, says_nonsense, asks_for_nonsense, tries_tokens, asks_often, asks_at_once,
    connects_often, is_cut_off, does_not_listen,
)  # fmt: skip
