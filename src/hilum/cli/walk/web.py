"""The rows that DICOMweb has."""

from collections.abc import Awaitable, Callable

import httpx

from hilum.cli.walk.row import Failed, Row, Walk, counted
from hilum.cli.walk.study import Slice

_BOUNDARY = "hilum-demo"
_PARTS = 'multipart/related; type="application/dicom"'
_JSON = "application/dicom+json"
Run = Callable[[Walk], Awaitable[str]]


async def _health(walk: Walk) -> str:
    answer = await _get(walk, "/health")
    status = str(answer.json()["status"])
    if status != "healthy":
        raise Failed(answer.text[:200])
    return status


async def _aets(walk: Walk) -> str:
    answer = await _get(walk, "/aets")
    missing = [name for name in walk.settings.mounts if name not in answer.text]
    if missing:
        raise Failed(f"{missing[0]} is not in {answer.text[:80]}")
    return ", ".join(walk.settings.mounts)


async def _aet(walk: Walk) -> str:
    answer = await _get(walk, f"/aets/{walk.name}")
    health = answer.json()
    return f"{walk.name} is {health['status']}, echo in {health['latency_ms']} ms"


def _stow(path: str) -> Row:
    async def run(walk: Walk) -> str:
        slices = walk.web_study.slices
        lines = b"".join(_part(each) for each in slices) + f"--{_BOUNDARY}--\r\n".encode()
        kind = f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}'
        answer = await walk.client.post(
            walk.root + path.format(s=walk.web_study.uid),
            content=lines,
            headers={"Content-Type": kind, "Accept": _JSON},
        )
        _good(answer)
        stored = len(answer.json().get("00081199", {}).get("Value", []))
        _expect(stored, len(slices), "instance")
        return f"{answer.status_code}, {counted(stored, 'instance')} stored"

    return Row(f"STOW-RS {path}", "http", run)


def _part(each: Slice) -> bytes:
    return (
        f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + each.part10 + b"\r\n"
    )


def _search(what: str, path: str, expected: Callable[[Walk], int]) -> Row:
    async def run(walk: Walk) -> str:
        answer = await _get(walk, walk.root + _filled(walk, path), accept=_JSON)
        found = len(answer.json())
        _expect(found, expected(walk), what)
        return counted(found, what)

    return Row(f"QIDO-RS {path.partition('?')[0]}", "http", run)


def _retrieve(path: str, expected: Callable[[Walk], list[Slice]]) -> Row:
    async def run(walk: Walk) -> str:
        answer = await _get(walk, walk.root + _filled(walk, path), accept=_PARTS)
        slices = expected(walk)
        parts = answer.content.count(b"\r\nDICM") or answer.content.count(b"DICM")
        _expect(parts, len(slices), "part")
        for each in slices:
            if each.encoded not in answer.content:
                raise Failed("a data set is not as it was stored")
        return f"{counted(parts, 'part')}, {len(answer.content) / 1000:.0f} KB, as stored"

    return Row(f"WADO-RS {path}", "http", run)


def _metadata(path: str, expected: Callable[[Walk], list[Slice]]) -> Row:
    async def run(walk: Walk) -> str:
        answer = await _get(walk, walk.root + _filled(walk, path), accept=_JSON)
        uids = {each["00080018"]["Value"][0] for each in answer.json()}
        if uids != {each.sop_instance_uid for each in expected(walk)}:
            raise Failed(f"{counted(len(uids), 'instance')}, others than were stored")
        return f"{counted(len(uids), 'instance')}, {len(answer.content) / 1000:.0f} KB"

    return Row(f"WADO-RS {path}", "http", run)


async def _bulk_data(walk: Walk) -> str:
    (found,) = (await _get(walk, walk.root + _filled(walk, f"{_INSTANCE}/metadata"))).json()
    answer = await _get(walk, found["7FE00010"]["BulkDataURI"], accept="application/octet-stream")
    if answer.content not in _one(walk)[0].encoded:
        raise Failed("the pixels are not as they were stored")
    return f"{len(answer.content) / 1000:.0f} KB of pixels, as stored"


async def _capabilities(walk: Walk) -> str:
    answer = await walk.client.request("OPTIONS", f"{walk.root}/studies")
    _good(answer)
    resources = answer.text.count("<resource ")
    if not resources or "POST" not in answer.headers.get("Allow", ""):
        raise Failed(f"no capabilities: {answer.text[:80]}")
    return f"{counted(resources, 'resource')} described"


def _filled(walk: Walk, path: str) -> str:
    first = walk.stored.slices[0]
    return path.format(
        s=walk.stored.uid,
        e=first.series_uid,
        i=first.sop_instance_uid,
        patient=walk.stored.patient_id,
    )


async def _get(walk: Walk, url: str, accept: str = "application/json, */*") -> httpx.Response:
    answer = await walk.client.get(url, headers={"Accept": accept})
    _good(answer)
    return answer


def _good(answer: httpx.Response) -> None:
    if answer.status_code != httpx.codes.OK:
        raise Failed(f"{answer.status_code}: {answer.text[:200]}")


def _expect(found: int, expected: int, what: str) -> None:
    if found != expected:
        raise Failed(f"{counted(found, what)}, expected {expected}")


def _all(walk: Walk) -> list[Slice]:
    return list(walk.stored.slices)


def _series(walk: Walk) -> list[Slice]:
    return [each for each in _all(walk) if each.series_uid == _all(walk)[0].series_uid]


def _one(walk: Walk) -> list[Slice]:
    return _all(walk)[:1]


_INSTANCE = "/studies/{s}/series/{e}/instances/{i}"
STORE = (_stow("/studies"), _stow("/studies/{s}"))
SEARCH = (
    _search("study", "/studies?PatientID={patient}", lambda _: 1),
    _search(
        "series",
        "/series?PatientID={patient}",
        lambda walk: len({s.series_uid for s in _all(walk)}),
    ),
    _search("instance", "/instances?PatientID={patient}", lambda walk: len(_all(walk))),
    _search("series", "/studies/{s}/series", lambda walk: len({s.series_uid for s in _all(walk)})),
    _search("instance", "/studies/{s}/instances", lambda walk: len(_all(walk))),
    _search("instance", "/studies/{s}/series/{e}/instances", lambda walk: len(_series(walk))),
)
RETRIEVE = (
    _retrieve("/studies/{s}", _all),
    _retrieve("/studies/{s}/series/{e}", _series),
    _retrieve(_INSTANCE, _one),
    _metadata("/studies/{s}/metadata", _all),
    _metadata("/studies/{s}/series/{e}/metadata", _series),
    _metadata(f"{_INSTANCE}/metadata", _one),
    Row(f"WADO-RS {_INSTANCE}/bulkdata/7FE00010", "http", _bulk_data),
)
SERVICE = (
    Row("GET /health", "http", _health),
    Row("GET /aets", "http", _aets),
    Row("GET /aets/{aet}", "http", _aet),
    Row("OPTIONS /studies", "http", _capabilities),
)
