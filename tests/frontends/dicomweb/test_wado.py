import asyncio
import os
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import httpx
import pydicom
import pytest
from tests.frontends.dicomweb.backend import Kept, Scripted
from tests.frontends.dicomweb.conftest import Served, cut_off

from hilum.codec import media_type
from hilum.codec.multipart import MultipartReader, PartData, PartStarted
from hilum.core.backend import Retrieval
from hilum.frontends.dicomweb import held
from hilum.model.errors import BackendFault, BackendUnavailable
from hilum.model.identity import Ref
from hilum.model.instance import Instance, Part

pytestmark = pytest.mark.anyio

ILE, ELE, EBE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED, J2K, JPEG = (
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.50",
)
STUDY = "/dicomweb/studies/1.2"
INSTANCE = STUDY + "/series/1.3/instances/1.9.1"
RELATED = 'multipart/related; type="application/dicom"'


def encoded(syntax: str, *, rows: int = 3) -> bytes:
    """A small data set in one of the uncompressed syntaxes (or said to be compressed)."""
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.9.1"
    dataset.Rows = rows
    stream = BytesIO()
    pydicom.dcmwrite(
        stream,
        dataset,
        implicit_vr=syntax == ILE,
        little_endian=syntax != EBE,
        force_encoding=True,
    )
    return stream.getvalue()


def parts_of(answer: httpx.Response) -> list[tuple[dict[str, str], bytes]]:
    kind = media_type.parse(answer.headers["content-type"])
    assert kind.kind == "multipart/related"
    reader = MultipartReader(kind.parameters["boundary"])
    parts: list[tuple[dict[str, str], bytes]] = []
    for event in reader.feed(answer.content):
        if isinstance(event, PartStarted):
            parts.append((dict(event.headers), b""))
        elif isinstance(event, PartData):
            parts[-1] = (parts[-1][0], parts[-1][1] + event.data)
    reader.close()
    return parts


def read(data: bytes) -> pydicom.FileDataset:
    return pydicom.dcmread(BytesIO(data))


def syntaxes(answer: httpx.Response) -> list[str]:
    found = []
    for headers, data in parts_of(answer):
        syntax = read(data).file_meta.TransferSyntaxUID
        assert headers["content-type"] == f"application/dicom; transfer-syntax={syntax}"
        found.append(str(syntax))
    return found


async def test_a_study_comes_as_parts(served: Served, backend: Scripted) -> None:
    backend.kept = [Kept(f"1.9.{n}", encoded(ELE, rows=n), chunk=7) for n in range(1, 4)]
    async with served(backend) as client:
        for path in (STUDY, STUDY + "/series/1.3", "/aets/ONE/studies/1.2"):
            answer = await client.get(path)
            assert answer.status_code == 200
            assert media_type.parse(answer.headers["content-type"]).related == "application/dicom"
            assert int(answer.headers["content-length"]) == len(answer.content)
            datasets = [read(data) for _, data in parts_of(answer)]
            assert [dataset.Rows for dataset in datasets] == [1, 2, 3]
            assert [d.file_meta.MediaStorageSOPInstanceUID for d in datasets] == [
                "1.9.1",
                "1.9.2",
                "1.9.3",
            ]


async def test_big_chunks_and_unknown_sizes(served: Served, backend: Scripted) -> None:
    data = (
        encoded(ELE) + b"\xe0\x7f\x10\x00OW\x00\x00" + (2**21).to_bytes(4, "little") + bytes(2**21)
    )
    backend.kept = [Kept("1.9.1", data, says=None), Kept("1.9.2", b"", says=0)]
    async with served(backend) as client:
        answer = await client.get(STUDY)
        assert "content-length" not in answer.headers
        first, second = parts_of(answer)
        assert first[1].endswith(data)
        assert len(second[1]) < 500


async def test_a_source_that_does_not_know_what_comes(
    served: Served, backend: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.kept = [Kept("1.9.1", encoded(ELE)), Kept("1.9.2", encoded(J2K), J2K)]
    backend.manifest = False
    async with served(backend) as client:
        assert syntaxes(await client.get(STUDY)) == [ELE, J2K]
        headers = {"Accept": f"{RELATED}; transfer-syntax={JPEG}"}
        assert (await client.get(STUDY, headers=headers)).status_code == 406
        headers = {"Accept": f"{RELATED}; transfer-syntax={ELE}"}
        answer = await client.get(STUDY, headers=headers)
        assert (answer.status_code, syntaxes(answer)) == (206, [ELE])
        assert "1 instances cannot be given" in answer.headers["warning"]
        monkeypatch.setattr(held, "HOLD", 1)
        with pytest.raises(httpx.RemoteProtocolError):  # the second cannot: not as if whole
            await client.get(STUDY, headers=headers)
        backend.kept = []
        assert (await client.get(STUDY)).status_code == 404


@pytest.mark.parametrize("manifest", [True, False])
async def test_nothing_there_is_404(served: Served, backend: Scripted, *, manifest: bool) -> None:
    backend.manifest = manifest
    async with served(backend) as client:
        for path in (STUDY, INSTANCE):
            assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("accept", "stored", "given"),
    [
        ("", ELE, ELE),
        ("*/*", ILE, ELE),
        ("multipart/*", EBE, ELE),
        ("application/*", ELE, ELE),
        ("multipart/related", DEFLATED, ELE),
        (RELATED, J2K, J2K),
        ("multipart/related; type=application/dicom", JPEG, JPEG),
        (f"{RELATED}; transfer-syntax=*", ELE, ELE),
        (f'{RELATED}; transfer-syntax="*"', J2K, J2K),
        (f"{RELATED}; transfer-syntax=*", DEFLATED, DEFLATED),
        (f"{RELATED}; transfer-syntax=*", ILE, ELE),
        (f"{RELATED}; transfer-syntax=*", EBE, ELE),
        (f"{RELATED}; transfer-syntax={ELE}", EBE, ELE),
        (f"{RELATED}; transfer-syntax={DEFLATED}", ILE, DEFLATED),
        (f"{RELATED}; transfer-syntax={J2K}", J2K, J2K),
        (f"{RELATED}; transfer-syntax={JPEG}, {RELATED}; transfer-syntax={J2K}", J2K, J2K),
        (f"{RELATED}; transfer-syntax={JPEG}; q=0.9, {RELATED};q=0.1", ELE, ELE),
        (f"application/dicom+json, {RELATED}", ELE, ELE),
        (f"{RELATED}; transfer-syntax={ILE}", ILE, None),
        (f"{RELATED}; transfer-syntax={EBE}", EBE, None),
        (f"{RELATED}; transfer-syntax={ELE}", J2K, None),
        (f"{RELATED}; transfer-syntax={J2K}", ELE, None),
        ("application/dicom", ELE, None),
        ('multipart/related; type="image/jpeg"', JPEG, None),
        ("application/dicom+json", ELE, None),
        ("image/png", ELE, None),
    ],
)
async def test_transfer_syntaxes(
    served: Served, backend: Scripted, accept: str, stored: str, given: str | None
) -> None:
    data = encoded(stored)
    if stored == DEFLATED:
        data = _deflated(encoded(ELE))
    backend.kept = [Kept("1.9.1", data, stored)]
    async with served(backend) as client:
        answer = await client.get(STUDY, headers={"Accept": accept})
        if given is None:
            assert answer.status_code == 406
            assert answer.json()["error"]
            return
        assert answer.status_code == 200
        assert syntaxes(answer) == [given]
        ((_, part),) = parts_of(answer)
        assert read(part).Rows == 3
        if given == stored:
            assert part.endswith(data)
        assert int(answer.headers["content-length"]) == len(answer.content)


def _deflated(data: bytes) -> bytes:
    import zlib  # noqa: PLC0415 - here only

    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


async def test_some_that_cannot_be_given_make_it_partial(served: Served, backend: Scripted) -> None:
    backend.kept = [
        Kept("1.9.1", encoded(J2K), J2K),
        Kept("1.9.2", encoded(ELE)),
        Kept("1.9.3", encoded(ILE), ILE),
    ]
    async with served(backend) as client:
        answer = await client.get(STUDY, headers={"Accept": f"{RELATED}; transfer-syntax={ELE}"})
        assert answer.status_code == 206
        assert syntaxes(answer) == [ELE, ELE]
        assert "1 of 3 instances cannot be given" in answer.headers["warning"]


async def test_one_instance_alone(served: Served, backend: Scripted) -> None:
    backend.kept = [Kept("1.9.1", encoded(ELE))]
    async with served(backend) as client:
        for accept in ("application/dicom", "application/dicom;transfer-syntax=*, */*;q=0.5"):
            answer = await client.get(INSTANCE, headers={"Accept": accept})
            assert answer.headers["content-type"] == f"application/dicom; transfer-syntax={ELE}"
            assert int(answer.headers["content-length"]) == len(answer.content)
            assert read(answer.content).Rows == 3
        answer = await client.get(INSTANCE + "?accept=application/dicom")
        assert read(answer.content).Rows == 3
        assert len(parts_of(await client.get(INSTANCE))) == 1
        accept = f"application/dicom; transfer-syntax={J2K}, {RELATED}"
        assert len(parts_of(await client.get(INSTANCE, headers={"Accept": accept}))) == 1


async def test_head_tells_the_length(served: Served, backend: Scripted) -> None:
    backend.kept = [Kept("1.9.1", encoded(ELE))]
    async with served(backend) as client:
        head = await client.head(INSTANCE)
        assert head.content == b""
        get = await client.get(INSTANCE)
        assert int(head.headers["content-length"]) == len(get.content)


@pytest.mark.parametrize(
    ("error", "status"), [(BackendUnavailable("down"), 502), (OSError("disk"), 500)]
)
@pytest.mark.parametrize("where", ["entering", "first chunk"])
async def test_a_failure_before_the_first_byte_chooses_the_status(
    served: Served, backend: Scripted, error: Exception, status: int, where: str
) -> None:
    backend.kept = [Kept("1.9.1", encoded(ELE), fails_at=0)]
    backend.late = error
    if where == "entering":
        backend.error = error
    if isinstance(error, OSError):
        backend.late = backend.error = RuntimeError("disk")
    async with served(backend) as client:
        for path in (STUDY, INSTANCE):
            assert (await client.get(path)).status_code == status


@pytest.mark.parametrize("manifest", [True, False])
@pytest.mark.parametrize("accept", ["*/*", "application/dicom"])
@pytest.mark.parametrize("late", [BackendFault("broken"), RuntimeError("broken")])
async def test_an_instance_that_fails_midway_cuts_the_answer_off(  # noqa: PLR0913 - fixtures
    served: Served,
    backend: Scripted,
    monkeypatch: pytest.MonkeyPatch,
    accept: str,
    late: Exception,
    *,
    manifest: bool,
) -> None:
    monkeypatch.setattr(held, "HOLD", 1)
    kept = Kept("1.9.1", encoded(ELE) + bytes(5000), chunk=1000, fails_at=3000)
    backend.kept = [kept]
    backend.manifest = manifest
    backend.late = late
    async with served(backend) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(INSTANCE, headers={"Accept": accept})
        backend.kept = [Kept("1.9.0", encoded(ELE)), kept, Kept("1.9.2", encoded(ELE))]
        received = bytearray()
        async with client.stream("GET", STUDY) as answer:
            boundary = media_type.parse(answer.headers["content-type"]).parameters["boundary"]
            with pytest.raises(httpx.RemoteProtocolError):
                await _into(received, answer)
        assert f"--{boundary}--".encode() not in received


@pytest.mark.parametrize("accept", ["*/*", "application/dicom"])
@pytest.mark.parametrize(
    ("late", "status"), [(BackendFault("broken"), 502), (RuntimeError("broken"), 500)]
)
async def test_one_that_fails_before_much_was_sent_chooses_the_status(
    served: Served, backend: Scripted, accept: str, late: Exception, status: int
) -> None:
    backend.kept = [Kept("1.9.1", encoded(ELE) + bytes(5000), chunk=1000, fails_at=3000)]
    backend.late = late
    async with served(backend) as client:
        answer = await client.get(INSTANCE, headers={"Accept": accept})
        assert answer.status_code == status


async def _into(received: bytearray, answer: httpx.Response) -> None:
    async for chunk in answer.aiter_bytes():
        received += chunk


@pytest.mark.parametrize("says", [10, 10_000])
async def test_a_wrong_length_is_no_whole_answer(
    served: Served, backend: Scripted, monkeypatch: pytest.MonkeyPatch, says: int
) -> None:
    backend.kept = [Kept("1.9.1", encoded(ELE) + bytes(500), says=says)]
    async with served(backend) as client:
        for path in (STUDY, INSTANCE):
            monkeypatch.setattr(held, "HOLD", 1)
            with pytest.raises(httpx.HTTPError):
                await client.get(path)
            monkeypatch.undo()
            assert (await client.get(path)).status_code == 502


async def test_fewer_instances_than_announced_are_no_whole_answer(
    served: Served, backend: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.kept = [Kept("1.9.1", encoded(ELE)), Kept("1.9.2", encoded(ELE))]
    backend.loses = 1
    async with served(backend) as client:
        assert (await client.get(STUDY)).status_code == 502
        monkeypatch.setattr(held, "HOLD", 1)
        with pytest.raises(httpx.HTTPError):
            await client.get(STUDY)


async def test_what_cannot_be_re_encoded_is_406(served: Served, backend: Scripted) -> None:
    fragments = b"\xfe\xff\x00\xe0\x00\x00\x00\x00\xfe\xff\xdd\xe0\x00\x00\x00\x00"
    backend.kept = [Kept("1.9.1", b"\xe0\x7f\x10\x00\xff\xff\xff\xff" + fragments, ILE)]
    async with served(backend) as client:
        assert (await client.get(INSTANCE)).status_code == 406


@pytest.mark.parametrize("stored", [ILE, DEFLATED])
async def test_one_that_is_kept_cut_off_takes_no_others_away(
    served: Served, backend: Scripted, stored: str
) -> None:
    whole = encoded(ELE if stored == DEFLATED else stored)
    if stored == DEFLATED:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        whole = deflater.compress(whole) + deflater.flush(zlib.Z_SYNC_FLUSH)
    cut = whole if stored == DEFLATED else whole[:-1]
    backend.kept = [Kept("1.9.1", cut, stored), Kept("1.9.2", encoded(ELE), ELE)]
    async with served(backend) as client:
        answer = await client.get(STUDY)
    assert answer.status_code == 200
    first, second = (data for _, data in parts_of(answer))
    assert read(second).Rows == 3
    expected = encoded(ELE) if stored == DEFLATED else encoded(ELE)[:-1]
    assert first.endswith(expected)


async def test_late_ones_that_cannot_be_given_take_no_others_away(
    served: Served, backend: Scripted
) -> None:
    big = (
        encoded(ELE) + b"\xe0\x7f\x10\x00OW\x00\x00" + (2**21).to_bytes(4, "little") + bytes(2**21)
    )
    backend.kept = [
        Kept("1.9.1", big),
        Kept("1.9.2", encoded(JPEG), JPEG),
        Kept("1.9.3", encoded(ELE)),
    ]
    backend.manifest = False
    headers = {"Accept": f"{RELATED}; transfer-syntax={ELE}"}
    body = b""
    async with served(backend) as client:
        async with client.stream("GET", STUDY, headers=headers) as answer:
            with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012 - it comes up to there
                async for piece in answer.aiter_bytes():
                    body += piece
        assert b"1.9.3" in body
        boundary = media_type.parse(answer.headers["content-type"]).parameters["boundary"]
        assert f"--{boundary}--".encode() not in body
        link = answer.headers["link"].partition(">")[0].removeprefix("<")
        said = (await client.get(link)).json()
        assert (said["state"], said["missing"]) == ("incomplete", ["1.9.2"])


@pytest.mark.parametrize("path", [STUDY, INSTANCE])
@pytest.mark.parametrize("after", [0, 300, 100_000])
@pytest.mark.parametrize("stored", [ELE, EBE])
async def test_a_client_that_leaves_ends_the_retrieval(
    served: Served, backend: Scripted, path: str, after: int, stored: str
) -> None:
    big = encoded(stored)
    order = "little" if stored == ELE else "big"
    tag = b"\xe0\x7f\x10\x00" if stored == ELE else b"\x7f\xe0\x00\x10"
    big += tag + b"OW\x00\x00" + (2**28).to_bytes(4, order) + bytes(2**20)
    backend.kept = [Kept("1.9.1", big * 50, stored, chunk=65536)] * 100
    backend.pause = 0.5 if after == 0 else 0.001
    async with served(backend) as client:
        await cut_off(client, path, after)
        async with asyncio.timeout(30):
            await backend.left.wait()
        given = backend.given
        await asyncio.sleep(0.05)
        assert backend.given == given


async def test_a_client_that_reads_slowly_slows_the_source_down(
    served: Served, backend: Scripted
) -> None:
    backend.kept = [Kept("1.9.1", encoded(ELE) + bytes(2**24))] * 100
    async with served(backend) as client, client.stream("GET", STUDY) as answer:
        assert answer.status_code == 200
        await asyncio.sleep(0.3)
        assert backend.given < 40  # of 1,700 chunks of 1 MiB: what sockets hold


class Lying(Scripted):
    """Its instances lie in a file."""

    path: Path

    @asynccontextmanager
    async def retrieve(self, refs: Sequence[Ref], /) -> AsyncIterator[Retrieval]:
        async def instances() -> AsyncIterator[Instance]:
            async for each in retrieval.instances:
                yield replace(each, chunks=_Ready(each.chunks, self.path))

        async with super().retrieve(refs) as retrieval:
            yield replace(retrieval, instances=instances())


class _Ready(AsyncIterator[bytes]):
    def __init__(self, chunks: AsyncIterator[bytes], path: Path) -> None:
        self._chunks, self._path = chunks, path

    async def __anext__(self) -> bytes:
        return await anext(self._chunks)

    def ready(self) -> Part:
        return os.open(self._path, os.O_RDONLY), 5, self._path.stat().st_size - 5


PIXELS = b"\xe0\x7f\x10\x00OW\x00\x00" + (200_000).to_bytes(4, "little") + bytes(200_000)


@pytest.mark.parametrize("accept", [RELATED, "application/dicom", "application/zip"])
async def test_what_lies_in_a_file_goes_out_as_what_is_read(
    served: Served, backend: Scripted, tmp_path: Path, accept: str
) -> None:
    data = encoded(ELE) + PIXELS
    lying = Lying()
    lying.path = tmp_path / "file"
    lying.path.write_bytes(b"12345" + data)
    backend.kept, lying.kept = [Kept("1.9.1", data)], [Kept("1.9.1", data, chunk=50_000)]
    bodies = []
    for each in (backend, lying):
        async with served(each) as client:
            answer = await client.get(INSTANCE, headers={"Accept": accept})
            assert answer.status_code == 200
            assert int(answer.headers.get("content-length", -1)) in {-1, len(answer.content)}
            head = await client.head(INSTANCE, headers={"Accept": accept})
            assert head.headers.get("content-length") == answer.headers.get("content-length")
        body = answer.content
        if accept == RELATED:
            ((_, body),) = parts_of(answer)
        bodies.append(body)
    assert data in bodies[0]
    assert len({len(each) for each in bodies}) == 1
    assert accept == "application/zip" or bodies[0] == bodies[1]


async def test_what_is_encrypted_goes_out_from_its_files(
    served: Served, backend: Scripted, tmp_path: Path
) -> None:
    data = encoded(ELE) + PIXELS
    lying = Lying()
    lying.path = tmp_path / "file"
    lying.path.write_bytes(b"12345" + data)
    kept = [Kept(f"1.9.{number}", data) for number in range(12)]  # more than is held
    backend.kept = kept
    lying.kept = [replace(each, data=bytes(len(data))) for each in kept]  # which is not given
    bodies = []
    for each, scheme in ((backend, "https"), (lying, "https"), (lying, "http")):
        async with served(each, scheme=scheme) as client:
            answer = await client.get(STUDY, headers={"Accept": RELATED})
            assert int(answer.headers["content-length"]) == len(answer.content)
        bodies.append([body for _, body in parts_of(answer)])
    assert bodies[0] == bodies[1] != bodies[2]
    async with served(lying, scheme="https") as client:
        zipped = await client.get(STUDY, headers={"Accept": "application/zip"})
        assert zipped.status_code == 200
