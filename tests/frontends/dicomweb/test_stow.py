import asyncio
from collections.abc import AsyncIterator
from io import BytesIO

import httpx
import pydicom
import pytest
from tests.frontends.dicomweb.backend import Scripted
from tests.frontends.dicomweb.conftest import Served

from hilum.codec import dicom_xml, stow_response
from hilum.codec.multipart import closing, part_head
from hilum.frontends.dicomweb import stow
from hilum.model.errors import BackendUnavailable, Conflict, OutOfResources
from hilum.model.outcome import Stored

pytestmark = pytest.mark.anyio

ELE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
CT = "1.2.840.10008.5.1.4.1.1.2"
TYPE = 'multipart/related; type="application/dicom"; boundary=b'
PATH = "/dicomweb/studies"


def file(uid: str = "1.9.1", study: str = "1.2", *, padding: int = 0, syntax: str = ELE) -> bytes:
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CT, uid
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, "1.3"
    if padding:
        dataset.add_new(0x7FE0_0010, "OW", bytes(padding))
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def dataset_of(data: bytes) -> bytes:
    """The encoded data set of a file that pydicom wrote."""
    with BytesIO(data) as stream:
        meta = pydicom.filereader.read_partial(stream, stop_when=lambda *_: True).file_meta
    length = int(meta.FileMetaInformationGroupLength)
    return data[132 + 12 + length :]


def body(*files: bytes, kind: str | None = "application/dicom", end: bool = True) -> bytes:
    headers = {} if kind is None else {"Content-Type": kind}
    parts = [part_head("b", headers, first=not n) + data for n, data in enumerate(files)]
    return b"".join(parts) + (closing("b") if end else b"")


async def post(
    client: httpx.AsyncClient, content: bytes, kind: str = TYPE, path: str = PATH
) -> httpx.Response:
    return await client.post(path, content=content, headers={"Content-Type": kind})


def told(answer: httpx.Response) -> pydicom.Dataset:
    assert answer.headers["content-type"] == "application/dicom+json"
    return pydicom.Dataset.from_json(answer.json())


async def test_instances_are_stored_as_they_came(served: Served, backend: Scripted) -> None:
    files = [file(), file("1.9.2", padding=3_000_000), file("1.9.3")]
    async with served(backend) as client:
        for path in (PATH, "/aets/ONE/studies", "/dicomweb/studies/1.2"):
            backend.stored.clear()
            answer = await post(client, body(*files), path=path)
            assert answer.status_code == 200
            assert [data for _, data in backend.stored] == [dataset_of(each) for each in files]
            instance, _ = backend.stored[1]
            assert instance.sop_class_uid == CT
            assert instance.sop_instance_uid == "1.9.2"
            assert instance.transfer_syntax_uid == ELE
            response = told(answer)
            assert response.RetrieveURL.endswith("/studies/1.2")
            assert len(response.ReferencedSOPSequence) == 3
            assert "FailedSOPSequence" not in response
    assert backend.opened == 3


@pytest.mark.parametrize(
    "kind",
    [
        TYPE,
        "multipart/related; type=application/dicom; boundary=b",
        'multipart/related; boundary="b"',
        "Multipart/Related;boundary=b;Type='application/dicom'",
        "multipart/form-data; boundary=b",
        f'multipart/related; type="application/dicom; transfer-syntax={ELE}"; boundary=b',
    ],
)
@pytest.mark.parametrize(
    "part",
    [
        None,
        "application/dicom",
        f"application/dicom;transfer-syntax={ELE}",
        "application/octet-stream",
    ],
)
async def test_types_are_read_leniently(
    served: Served, backend: Scripted, kind: str, part: str | None
) -> None:
    async with served(backend) as client:
        assert (await post(client, body(file(), kind=part), kind)).status_code == 200
    assert len(backend.stored) == 1


async def test_one_instance_alone(served: Served, backend: Scripted) -> None:
    async with served(backend) as client:
        data = file(padding=200_000)
        assert (await post(client, data, "application/dicom")).status_code == 200
        assert backend.stored[0][1] == dataset_of(data)
        answer = await post(client, b"", "application/dicom")
        assert answer.status_code == 400


async def test_the_length_of_one_alone_is_known_where_http_says_it(
    served: Served, backend: Scripted
) -> None:
    data = file(padding=200_000)

    async def chunked() -> AsyncIterator[bytes]:
        yield data

    headers = {"Content-Type": "application/dicom"}
    async with served(backend) as client:
        for content in (data, chunked()):
            answer = await client.post(PATH, content=content, headers=headers)
            assert answer.status_code == 200
    assert [each.size for each, _ in backend.stored] == [len(dataset_of(data)), None]


async def test_a_chunked_body_in_small_pieces(served: Served, backend: Scripted) -> None:
    whole = body(file(), file("1.9.2"))

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(whole), 11):
            yield whole[at : at + 11]

    async with served(backend) as client:
        answer = await client.post(PATH, content=pieces(), headers={"Content-Type": TYPE})
        assert answer.status_code == 200
    assert [data for _, data in backend.stored] == [dataset_of(file()), dataset_of(file("1.9.2"))]


async def test_parts_that_are_no_instances_fail_alone(served: Served, backend: Scripted) -> None:
    rubbish = [b"", b"rubbish", b"\x89PNG" + bytes(5000), bytes(200_000)]
    async with served(backend) as client:
        answer = await post(client, body(*rubbish, file(), *rubbish))
        assert answer.status_code == 202
        response = told(answer)
        assert len(response.ReferencedSOPSequence) == 1
        assert [item.FailureReason for item in response.OtherFailuresSequence] == [0xC000] * 8
        answer = await post(client, body(*rubbish))
        assert answer.status_code == 409
        assert "ReferencedSOPSequence" not in told(answer)


async def test_what_failed_is_remembered_without_what_was_read(
    served: Served, backend: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_of: list[Stored] = []

    def encode(stored: list[Stored], root: str) -> stow_response.Attributes:
        told_of.extend(stored)
        return encoded(stored, root)

    encoded = stow_response.encode
    monkeypatch.setattr(stow_response, "encode", encode)
    async with served(backend) as client:
        assert (await post(client, body(b"", file(), b"x"))).status_code == 202
    failures = [each.failure for each in told_of if each.failure is not None]
    assert len(failures) == 2
    for each in failures:
        assert (each.__traceback__, each.__cause__, each.__context__) == (None, None, None)


async def test_a_part_of_another_type_fails_alone(served: Served, backend: Scripted) -> None:
    async with served(backend) as client:
        answer = await post(client, body(b"x", kind="image/jpeg"))
        assert answer.status_code == 415


async def test_refusals_are_told(served: Served, backend: Scripted) -> None:
    backend.outcome = Conflict("another data set is kept under this SOP Instance UID")
    async with served(backend) as client:
        answer = await post(client, body(file(), file("1.9.2")))
        assert answer.status_code == 409
        failed = told(answer).FailedSOPSequence
        assert [item.FailureReason for item in failed] == [0x0111, 0x0111]
        assert failed[0].ErrorComment.startswith("another data set is kept")
        backend.outcome = OutOfResources("the disk is full")
        answer = await post(client, body(file()))
        assert answer.status_code == 503
        assert told(answer).FailedSOPSequence[0].FailureReason == 0xA700


async def test_a_store_that_does_not_read_leaves_the_next_part_whole(
    served: Served, backend: Scripted
) -> None:
    backend.reads = False
    async with served(backend) as client:
        answer = await post(client, body(file(padding=500_000), file("1.9.2"), file("1.9.3")))
        assert answer.status_code == 200
    assert [each.sop_instance_uid for each, _ in backend.stored] == ["1.9.1", "1.9.2", "1.9.3"]


@pytest.mark.parametrize("at_once", [1, 3])
async def test_the_next_part_is_read_while_as_many_as_the_mount_takes_are_kept(
    served: Served, backend: Scripted, at_once: int
) -> None:
    backend.at_once, backend.pause = at_once, 0.05
    names = [f"1.9.{number}" for number in range(1, 8)]
    async with served(backend) as client:
        files = [file(name, padding=300_000) for name in names]
        answer = await post(client, body(*files[:3], b"none", *files[3:]))
        assert answer.status_code == 202
    assert backend.most == at_once
    kept = {instance.sop_instance_uid: data for instance, data in backend.stored}
    assert kept == {name: dataset_of(each) for name, each in zip(names, files, strict=True)}
    said = told(answer)
    assert [each.ReferencedSOPInstanceUID for each in said.ReferencedSOPSequence] == names


async def test_what_was_read_is_kept_when_the_request_breaks_off_behind_it(
    served: Served, backend: Scripted
) -> None:
    backend.at_once, backend.pause = 3, 0.05
    async with served(backend) as client:
        answer = await post(client, body(file("1.9.1"), file("1.9.2"), file("1.9.3"))[:-300])
        assert answer.status_code == 400
    assert [each.sop_instance_uid for each, _ in backend.stored] == ["1.9.1", "1.9.2"]
    named = [each.ReferencedSOPInstanceUID for each in told(answer).ReferencedSOPSequence]
    assert named == ["1.9.1", "1.9.2"]


@pytest.mark.parametrize("syntax", [ELE, DEFLATED, "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"])
async def test_another_study_than_that_of_the_url_fails_alone(
    served: Served, backend: Scripted, syntax: str
) -> None:
    files = [
        file(),
        file("1.9.2", "9.9", padding=300_000, syntax=syntax),
        file("1.9.3", syntax=syntax),
    ]
    async with served(backend) as client:
        answer = await post(client, body(*files), path="/dicomweb/studies/1.2")
        assert answer.status_code == 202
        (failed,) = told(answer).FailedSOPSequence
        assert (failed.ReferencedSOPInstanceUID, failed.FailureReason) == ("1.9.2", 0xA901)
        assert [each.sop_instance_uid for each, _ in backend.stored] == ["1.9.1", "1.9.3"]
        assert backend.stored[1][1] == dataset_of(files[2])
        assert (await post(client, body(files[0]), path="/dicomweb/studies/x")).status_code == 400
        answer = await post(client, body(files[0]), path="/dicomweb/studies/7.7")
        assert answer.status_code == 409


async def test_a_bare_data_set_is_taken_with_a_warning(served: Served, backend: Scripted) -> None:
    async with served(backend) as client:
        answer = await post(client, body(dataset_of(file())))
        assert answer.status_code == 202
        (kept,) = told(answer).ReferencedSOPSequence
        assert (kept.ReferencedSOPInstanceUID, kept.WarningReason) == ("1.9.1", 0xB007)
    assert backend.stored[0][1] == dataset_of(file())


async def test_the_data_set_is_believed_before_the_head_of_its_file(
    served: Served, backend: Scripted
) -> None:
    data = file().replace(
        b"\x02\x00\x03\x00UI\x06\x001.9.1\0", b"\x02\x00\x03\x00UI\x06\x007.7.7\0"
    )
    async with served(backend) as client:
        answer = await post(client, body(data))
        assert answer.status_code == 200
        (kept,) = told(answer).ReferencedSOPSequence
        assert kept.ReferencedSOPInstanceUID == "1.9.1"
        assert "WarningReason" not in kept


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ('multipart/related; type="image/jpeg"; boundary=b', 415),
        ('multipart/related; type="application/dicom+json"; boundary=b', 400),
        ('multipart/related; type="application/dicom+xml"; boundary=b', 400),
        ("application/dicom+json", 400),
        ("application/json", 415),
        ("", 415),
        ('multipart/related; type="application/dicom"', 400),
    ],
)
async def test_other_requests_are_refused(
    served: Served, backend: Scripted, kind: str, status: int
) -> None:
    async with served(backend) as client:
        answer = await post(client, body(file(padding=5_000_000)), kind)
        assert answer.status_code == status
        assert answer.json()["error"]
    assert backend.stored == []


async def test_compressed_requests_and_unanswerable_ones_are_refused(
    served: Served, backend: Scripted
) -> None:
    async with served(backend) as client:
        headers = {"Content-Type": TYPE, "Content-Encoding": "gzip"}
        assert (await client.post(PATH, content=body(file()), headers=headers)).status_code == 415
        headers = {"Content-Type": TYPE, "Accept": "text/html"}
        assert (await client.post(PATH, content=body(file()), headers=headers)).status_code == 406
    assert backend.stored == []


async def test_the_answer_can_be_xml(served: Served, backend: Scripted) -> None:
    async with served(backend) as client:
        headers = {"Content-Type": TYPE, "Accept": "application/dicom+xml"}
        answer = await client.post(PATH, content=body(file()), headers=headers)
        assert answer.headers["content-type"] == "application/dicom+xml"
        assert dicom_xml.loads(answer.content)["00081199"]["vr"] == "SQ"


@pytest.mark.parametrize("content", [b"", b"--b--", b"no part at all", b"\r\n--b--\r\n"])
async def test_no_parts_are_400(served: Served, backend: Scripted, content: bytes) -> None:
    async with served(backend) as client:
        assert (await post(client, content)).status_code == 400


@pytest.mark.parametrize("cut", [1, 6, 40, 5000, 150_000, 199_990])
async def test_a_truncated_body_stores_no_half(served: Served, backend: Scripted, cut: int) -> None:
    whole = body(file(), file("1.9.2", padding=200_000), end=False)
    async with served(backend) as client:
        answer = await post(client, whole[:-cut])
        assert answer.status_code == 400
        response = told(answer)
        (kept,) = response.ReferencedSOPSequence
        assert kept.ReferencedSOPInstanceUID == "1.9.1"
        assert response.FailedSOPSequence[0].ReferencedSOPInstanceUID == "1.9.2"
    assert [each.sop_instance_uid for each, _ in backend.stored] == ["1.9.1"]


async def test_a_malformed_part_head_is_400(served: Served, backend: Scripted) -> None:
    async with served(backend) as client:
        answer = await post(client, body(file())[:-9] + b"\r\n--b\r\nnonsense\r\n\r\nx\r\n--b--")
        assert answer.status_code == 400
        assert len(told(answer).ReferencedSOPSequence) == 1


@pytest.mark.parametrize("chunked", [True, False])
async def test_too_long_a_request_is_413(
    served: Served, backend: Scripted, *, chunked: bool
) -> None:
    whole = body(file(), file("1.9.2", padding=3_000_000))

    async def pieces() -> AsyncIterator[bytes]:
        yield whole[:1_500_000]
        yield whole[1_500_000:]

    async with served(backend, max_upload_size=1_000_000) as client:
        content = pieces() if chunked else whole
        answer = await client.post(PATH, content=content, headers={"Content-Type": TYPE})
        assert answer.status_code == 413
        if chunked:
            assert told(answer).ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.9.1"
            assert told(answer).FailedSOPSequence[0].FailureReason == 0xA700
        else:
            assert "1000000 bytes" in answer.json()["error"]
        assert (await post(client, body(file()))).status_code == 200


async def test_too_many_parts_are_413(served: Served, backend: Scripted) -> None:
    async with served(backend, max_parts=2) as client:
        answer = await post(client, body(file(), file("1.9.2"), file("1.9.3")))
        assert answer.status_code == 413
        assert len(told(answer).ReferencedSOPSequence) == 2


async def test_an_answer_about_many_instances_is_the_same(
    served: Served, backend: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stow, "MANY", 1)
    async with served(backend) as client:
        answer = await post(client, body(file(), file("1.9.2")))
        assert answer.status_code == 200
        assert len(told(answer).ReferencedSOPSequence) == 2


async def test_a_mount_that_is_down_says_so(served: Served, backend: Scripted) -> None:
    backend.error = BackendUnavailable("down")
    async with served(backend) as client:
        answer = await post(client, body(file(padding=5_000_000)))
        assert (answer.status_code, answer.json()) == (502, {"error": "down"})


@pytest.mark.parametrize("sent", [10, 500, 300_000])
async def test_a_client_that_leaves_midway_stores_no_half(
    served: Served, backend: Scripted, sent: int
) -> None:
    whole = body(file("1.9.2", padding=1_000_000))
    async with served(backend) as client:
        _, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: {TYPE}\r\n"
        writer.write(f"{head}Content-Length: {len(whole)}\r\n\r\n".encode() + whole[:sent])
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.transport.abort()
        async with asyncio.timeout(20):
            await backend.left.wait()
    assert backend.stored == []


async def test_a_client_that_stalls_midway_is_408(served: Served, backend: Scripted) -> None:
    whole = body(file("1.9.2", padding=1_000_000))
    async with served(backend, request_timeout=0.3) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: {TYPE}\r\n"
        writer.write(f"{head}Content-Length: {len(whole)}\r\n\r\n".encode() + whole[:300_000])
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.close()
    assert backend.stored == []
