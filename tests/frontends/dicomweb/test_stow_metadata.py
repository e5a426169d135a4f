"""Instances that come as metadata and bulk data (PS3.18 §10.5.1)."""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames
from tests import peers, samples
from tests.frontends.dicomweb.backend import Scripted
from tests.frontends.dicomweb.conftest import Served
from tests.frontends.dicomweb.test_wado import parts_of
from tests.frontends.dicomweb.test_web import store

from hilum.backends.archive.archive import open_archive
from hilum.backends.memory import Memory
from hilum.codec import dicom_xml
from hilum.codec.multipart import closing, part_head
from hilum.codec.part10 import encode_meta
from hilum.config.mounts import ArchiveMount

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore::UserWarning:pydicom"),  # it warns of what samples hold
]

JSON, XML = "application/dicom+json", "application/dicom+xml"
CT = "1.2.840.10008.5.1.4.1.1.2"
ELE, BASELINE, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.5"
JPEG_2000, MPEG = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.102"
STUDIES = "/dicomweb/studies"
Part = tuple[dict[str, str], bytes]


def metadata(uid: str = "1.9.1", study: str = "1.2", **more: Any) -> dict[str, Any]:
    """Metadata of a CT instance; attributes by tag after a t."""
    said: dict[str, Any] = {
        "00080016": {"vr": "UI", "Value": [CT]},
        "00080018": {"vr": "UI", "Value": [uid]},
        "0020000D": {"vr": "UI", "Value": [study]},
        "0020000E": {"vr": "UI", "Value": ["1.3"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]},
    }
    return said | {name[1:]: attribute for name, attribute in more.items()}


def pixels(uri: str, bits: int = 16, frames: int = 1, vr: str = "OW") -> dict[str, Any]:
    """Metadata of pixels that are elsewhere."""
    numbers = {"t00280010": 4, "t00280011": 4, "t00280002": 1, "t00280100": bits, "t00280101": bits}
    said: dict[str, Any] = {tag: {"vr": "US", "Value": [each]} for tag, each in numbers.items()}
    said["t00280102"] = {"vr": "US", "Value": [bits - 1]}
    said["t00280103"] = {"vr": "US", "Value": [0]}
    said["t00280004"] = {"vr": "CS", "Value": ["MONOCHROME2"]}
    if frames != 1:
        said["t00280008"] = {"vr": "IS", "Value": [frames]}
    return said | {"t7FE00010": {"vr": vr, "BulkDataURI": uri}}


def part(data: bytes, kind: str = "application/octet-stream", **headers: str) -> Part:
    """Headers by name, with a low line for each hyphen."""
    return {"Content-Type": kind} | {k.replace("_", "-"): v for k, v in headers.items()}, data


def body(*parts: Part) -> bytes:
    joined = [
        part_head("b", headers, first=not n) + data for n, (headers, data) in enumerate(parts)
    ]
    return b"".join(joined) + closing("b")


async def post(
    client: httpx.AsyncClient, *parts: Part, kind: str = JSON, path: str = STUDIES, accept: str = ""
) -> httpx.Response:
    headers = {"Content-Type": f'multipart/related; type="{kind}"; boundary=b'}
    if accept:
        headers["Accept"] = accept
    return await client.post(path, content=body(*parts), headers=headers)


def as_json(*instances: Mapping[str, Any]) -> Part:
    return part(json.dumps(instances).encode(), JSON)


def kept(backend: Scripted, number: int = 0) -> pydicom.Dataset:
    """What the mount got, as pydicom reads it."""
    instance, data = backend.stored[number]
    assert instance.size == len(data)
    head = encode_meta("1.2", "1.3", instance.transfer_syntax_uid)
    return pydicom.dcmread(BytesIO(head + data))


def failures(answer: httpx.Response) -> list[tuple[str, int]]:
    """Comment and reason of each failure."""
    said = pydicom.Dataset.from_json(answer.json())
    found = [*said.get("FailedSOPSequence", []), *said.get("OtherFailuresSequence", [])]
    return [(each.ErrorComment, each.FailureReason) for each in found]


@pytest.fixture
async def client(served: Served, backend: Scripted) -> AsyncIterator[httpx.AsyncClient]:
    async with served(backend) as client:
        yield client


async def bulk_parts(client: httpx.AsyncClient, node: Any) -> list[Part]:
    """All bulk data that metadata refers to, as parts under its URI."""
    found: list[Part] = []
    for attribute in node.values() if isinstance(node, dict) else node:
        if isinstance(attribute, dict) and "BulkDataURI" in attribute:
            uri = attribute["BulkDataURI"]
            related = ("image/*", "video/*", "application/octet-stream")
            accept = ", ".join(f'multipart/related; type="{each}"' for each in related)
            answer = await client.get(
                urlsplit(uri).path, headers={"Accept": f"{accept}; transfer-syntax=*, */*;q=0.1"}
            )
            assert answer.status_code == 200, answer.text
            kind = answer.headers["Content-Type"]
            if kind.startswith("multipart"):
                found += [
                    ({"Content-Type": head["content-type"], "Content-Location": uri}, data)
                    for head, data in parts_of(answer)
                ]
            else:
                found.append(({"Content-Type": kind, "Content-Location": uri}, answer.content))
        elif isinstance(attribute, dict | list):
            found += await bulk_parts(client, attribute)
    return found


def local(node: Any) -> Any:
    """Metadata without what is of its mount: the beginning of URIs."""
    if isinstance(node, dict):
        return {
            key: value.partition("/studies/")[2] if key == "BulkDataURI" else local(value)
            for key, value in node.items()
        }
    return [local(each) for each in node] if isinstance(node, list) else node


@pytest.mark.parametrize(("kind", "every"), [(JSON, 1), (XML, 3)])
async def test_every_sample_comes_back_as_it_was(
    served: Served, tmp_path: Path, kind: str, every: int
) -> None:
    settings = ArchiveMount(durability="relaxed")
    async with (
        open_archive(settings, tmp_path / "one", "ONE") as one,
        open_archive(settings, tmp_path / "two", "TWO") as two,
        served(one, two) as client,
    ):
        answer = await store(client, *samples.GOOD[::every])
        response = pydicom.Dataset.from_json(answer.json())
        for item in response.ReferencedSOPSequence:
            url = urlsplit(item.RetrieveURL).path.replace("/dicomweb", "/aets/ONE")
            (said,) = (await client.get(url + "/metadata")).json()
            parts = await bulk_parts(client, said)
            text = dicom_xml.dumps(said) if kind == XML else json.dumps([said]).encode()
            answer = await post(
                client, part(text, kind), *parts, kind=kind, path="/aets/TWO/studies"
            )
            assert answer.status_code in {200, 202}, (url, answer.text)
            assert "Warning" not in answer.headers
            back = url.replace("ONE", "TWO")
            (again,) = (await client.get(back + "/metadata")).json()
            assert without_layout(local(again), kind) == without_layout(local(said), kind), url
            same_bulk(parts, await bulk_parts(client, again))
            await same_pixels(client, url, back)


def without_layout(said: dict[str, Any], kind: str) -> dict[str, Any]:
    """Metadata without what says how the pixels were laid out, or is only of the encoding."""
    if (
        kind == XML
    ):  # which knows no name that is nothing but carets, and no empty values at the end
        said = dicom_xml.loads(dicom_xml.dumps(said))
    left = {
        tag: each for tag, each in said.items() if tag not in {"00080005", "7FE00001", "7FE00002"}
    }
    if "7FE00010" in left:
        left["7FE00010"] = {"BulkDataURI": left["7FE00010"]["BulkDataURI"]}
    return json.loads(json.dumps(left))  # type: ignore[no-any-return] # JSON


def same_bulk(ours: list[Part], theirs: list[Part]) -> None:
    assert len(ours) == len(theirs)
    for (one, sent), (other, given) in zip(ours, theirs, strict=True):
        assert (
            urlsplit(one["Content-Location"]).path.partition("/studies/")[2]
            == (urlsplit(other["Content-Location"]).path.partition("/studies/")[2])
        )
        assert given in {sent, sent + b"\0", sent + b" "}


async def same_pixels(client: httpx.AsyncClient, one: str, other: str) -> None:
    arrays = []
    for url in (one, other):
        headers = {"Accept": "application/dicom; transfer-syntax=*"}
        answer = await client.get(url, headers=headers)
        dataset = pydicom.dcmread(BytesIO(answer.content))
        if "PixelData" not in dataset or dataset.get("BitsAllocated", 8) > 16:
            return
        try:
            arrays.append(dataset.pixel_array)
        except (RuntimeError, NotImplementedError, ValueError, AttributeError):
            return  # no codec here: the frames were compared
    assert np.array_equal(*arrays), one


async def test_octets_become_native_pixels(client: httpx.AsyncClient, backend: Scripted) -> None:
    data = bytes(range(32))
    answer = await post(
        client, as_json(metadata(**pixels("bulk/1"))), part(data, Content_Location="bulk/1")
    )
    assert answer.status_code == 200, answer.text
    assert backend.stored[0][0].transfer_syntax_uid == ELE
    dataset = kept(backend)
    assert dataset.PixelData == data
    assert dataset["PixelData"].VR == "OW"
    assert dataset.pixel_array.shape == (4, 4)
    assert str(dataset.PatientName) == "Doe^Jane"


async def test_metadata_of_compressed_pixels_goes_with_decoded_ones(
    client: httpx.AsyncClient, backend: Scripted
) -> None:
    said = metadata(**pixels("p", vr="OB"))
    await post(client, as_json(said), part(bytes(32), Content_Location="p"))
    assert kept(backend)["PixelData"].VR == "OW"


NAMES = [
    ("http://far.example.org/bulk/1", "http://far.example.org/bulk/1"),
    ("bulk/1", "bulk/1"),
    ("bulk/1", "./x/../bulk/1"),
    ("/dicomweb/studies/1", "{root}/dicomweb/studies/1"),
    ("{root}/dicomweb/bulk", "bulk"),
    ("cid:one@two", "cid:one@two"),
    (
        "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    ),
    ("Bulk with blanks", "Bulk with blanks"),
    ("7fe00010", " <7fe00010> "),
]


@pytest.mark.parametrize(("uri", "location"), NAMES)
async def test_names_are_compared_as_what_they_refer_to(
    client: httpx.AsyncClient, backend: Scripted, uri: str, location: str
) -> None:
    root = str(client.base_url).rstrip("/")
    said = metadata(**pixels(uri.format(root=root)))
    bulk = part(bytes(32), Content_Location=location.format(root=root))
    answer = await post(client, as_json(said), bulk)
    assert answer.status_code == 200, answer.text
    assert kept(backend).PixelData == bytes(32)


async def test_a_part_may_be_named_by_its_content_id(
    client: httpx.AsyncClient, backend: Scripted
) -> None:
    bulk = part(bytes(32), Content_ID="<pixels@here>")
    answer = await post(client, as_json(metadata(**pixels("cid:pixels@here"))), bulk)
    assert answer.status_code == 200, answer.text
    assert kept(backend).PixelData == bytes(32)


@pytest.mark.parametrize("last", [b"\1", b""])
async def test_compressed_frames_become_fragments_behind_a_table(
    client: httpx.AsyncClient, backend: Scripted, last: bytes
) -> None:
    frames = [bytes([1, n]) * 50 + last * (n % 2) for n in range(5)]
    kind = f"image/dicom-rle; transfer-syntax={RLE}"
    parts = [part(each, kind, Content_Location="p") for each in frames]
    answer = await post(client, as_json(metadata(**pixels("p", frames=5))), *parts)
    assert answer.status_code == 200, answer.text
    assert backend.stored[0][0].transfer_syntax_uid == RLE
    found = [*generate_frames(kept(backend).PixelData, number_of_frames=5)]
    assert found == [each + bytes(len(each) % 2) for each in frames]
    offsets = [sum(8 + len(f) + len(f) % 2 for f in frames[:n]) for n in range(5)]
    table = np.frombuffer(kept(backend).PixelData[8:28], "<u4")
    assert [*table] == offsets


async def test_frames_may_be_named_by_their_numbers_and_come_in_any_order(
    client: httpx.AsyncClient, backend: Scripted
) -> None:
    frames = [bytes([n]) * 10 for n in range(12)]
    kind = f"image/jp2; transfer-syntax={JPEG_2000}"
    parts = [part(f, kind, Content_Location=f"p/frames/{n + 1}") for n, f in enumerate(frames)]
    answer = await post(client, as_json(metadata(**pixels("p", frames=12))), *reversed(parts))
    assert answer.status_code == 200, answer.text
    assert [*generate_frames(kept(backend).PixelData, number_of_frames=12)] == frames


async def test_native_frames_in_several_parts_are_joined(
    client: httpx.AsyncClient, backend: Scripted
) -> None:
    parts = [part(bytes([n]) * 32, Content_Location="p") for n in range(3)]
    await post(client, as_json(metadata(**pixels("p", frames=3))), *parts)
    assert kept(backend).PixelData == b"".join(bytes([n]) * 32 for n in range(3))


async def test_a_frame_may_be_in_fragments(client: httpx.AsyncClient, backend: Scripted) -> None:
    kind = f"image/jpeg; transfer-syntax={BASELINE}"
    parts = [
        part(b"\xff\xd8ab", kind, Content_Location="p"),
        part(b"cdef", kind, Content_Location="p"),
    ]
    answer = await post(client, as_json(metadata(**pixels("p", 8))), *parts)
    assert answer.status_code == 200, answer.text
    assert [*generate_frames(kept(backend).PixelData, number_of_frames=1)] == [b"\xff\xd8abcdef"]


async def test_a_video_is_one_fragment_of_many_frames(
    client: httpx.AsyncClient, backend: Scripted
) -> None:
    film = part(b"film" * 100, "video/mp4", Content_Location="p")
    answer = await post(client, as_json(metadata(**pixels("p", 8, frames=250))), film)
    assert answer.status_code == 200, answer.text
    assert backend.stored[0][0].transfer_syntax_uid == MPEG
    assert b"film" * 100 in backend.stored[0][1]


async def test_several_instances_share_a_request_and_may_share_bulk_data(
    client: httpx.AsyncClient, backend: Scripted
) -> None:
    said = [metadata(f"1.9.{n}", **pixels("shared" if n < 3 else f"p{n}")) for n in range(1, 6)]
    parts = [part(bytes([n]) * 32, Content_Location=f"p{n}") for n in (5, 4, 3)]
    parts.append(part(bytes([9]) * 32, Content_Location="shared"))
    answer = await post(client, as_json(*said), *parts)
    assert answer.status_code == 200, answer.text
    assert [instance.sop_instance_uid for instance, _ in backend.stored] == [
        f"1.9.{n}" for n in range(1, 6)
    ]
    assert [kept(backend, n).PixelData[0] for n in range(5)] == [9, 9, 3, 4, 5]


async def test_inline_values_need_no_parts_and_the_array_may_stand_alone(
    client: httpx.AsyncClient, backend: Scripted
) -> None:
    inline = {"vr": "OB", "InlineBinary": base64.b64encode(b"abc").decode()}
    text = json.dumps([metadata(t00420011=inline)])
    answer = await client.post(STUDIES, content=text, headers={"Content-Type": JSON})
    assert answer.status_code == 200, answer.text
    assert kept(backend).EncapsulatedDocument == b"abc\0"


async def test_bulk_data_in_sequences_and_private_blocks_has_its_place(
    client: httpx.AsyncClient, backend: Scripted
) -> None:
    icon = {"7FE00010": {"vr": "OW", "BulkDataURI": "icon"}, "00280010": {"vr": "US", "Value": [1]}}
    said = metadata(
        t00880200={"vr": "SQ", "Value": [icon]},
        t00290010={"vr": "LO", "Value": ["ACME"]},
        t00291010={"vr": "OB", "BulkDataURI": "private"},
        t00291020={"vr": "SQ", "Value": [{}, {"00291030": {"vr": "UT", "BulkDataURI": "text"}}]},
    )
    parts = [
        part(b"ic", Content_Location="icon"),
        part(b"odd", Content_Location="private"),
        part("Müller".encode(), "text/plain", Content_Location="text"),
    ]
    answer = await post(client, as_json(said), *parts)
    assert answer.status_code == 200, answer.text
    dataset = kept(backend)
    assert dataset.IconImageSequence[0].PixelData == b"ic"
    assert dataset[0x0029_1010].value == b"odd\0"
    assert dataset[0x0029_1020][1][0x0029_1030].value.rstrip() == "MÃ¼ller"


async def test_text_beyond_ascii_is_utf_8(client: httpx.AsyncClient, backend: Scripted) -> None:
    name = {"vr": "PN", "Value": [{"Alphabetic": "Müller^Jörg", "Ideographic": "山田^太郎"}]}
    inner = {"vr": "SQ", "Value": [{"00080104": {"vr": "LO", "Value": ["Größe"]}}]}
    for charset in ({}, {"t00080005": {"vr": "CS", "Value": ["ISO_IR 100"]}}):
        await post(client, as_json(metadata(t00100010=name, t00081032=inner, **charset)))
        dataset = kept(backend, -1)
        assert dataset.SpecificCharacterSet == "ISO_IR 192"
        assert str(dataset.PatientName) == "Müller^Jörg=山田^太郎"
        assert dataset.ProcedureCodeSequence[0].CodeMeaning == "Größe"


async def test_one_instance_fails_and_the_others_are_kept(
    client: httpx.AsyncClient, backend: Scripted
) -> None:
    said = [
        metadata("1.9.1", **pixels("there")),
        metadata("1.9.2", **pixels("missing")),
        metadata("1.9.3", t00280010={"vr": "US", "Value": ["many"]}),
        metadata("1.9.4"),
    ]
    answer = await post(client, as_json(*said), part(bytes(32), Content_Location="there"))
    assert answer.status_code == 202
    assert [instance.sop_instance_uid for instance, _ in backend.stored] == ["1.9.1", "1.9.4"]
    response = pydicom.Dataset.from_json(answer.json())
    failed = {each.ReferencedSOPInstanceUID: each for each in response.FailedSOPSequence}
    assert failed["1.9.2"].ErrorComment == "no part has the bulk data of (7FE0,0010)"
    assert failed["1.9.3"].ErrorComment == "(0028,0010) is not usable"
    assert {each.FailureReason for each in failed.values()} == {0xC000}


KINDS = [
    (5, 3, "it has 5 frames, and 3 parts hold them"),
    (5, 6, "it has 5 frames, and 6 parts hold them"),
]


@pytest.mark.parametrize(("frames", "parts", "comment"), KINDS)
async def test_frames_must_be_as_many_as_the_metadata_says(
    client: httpx.AsyncClient, frames: int, parts: int, comment: str
) -> None:
    kind = "image/jls; transfer-syntax=1.2.840.10008.1.2.4.80"
    bulk = [part(b"ab", kind, Content_Location="p") for _ in range(parts)]
    answer = await post(client, as_json(metadata(**pixels("p", frames=frames))), *bulk)
    assert answer.status_code == 409
    assert failures(answer) == [(comment, 0xC000)]


async def test_an_instance_of_another_study_fails(
    client: httpx.AsyncClient, backend: Scripted
) -> None:
    said = [metadata("1.9.1", "1.2"), metadata("1.9.2", "1.99")]
    answer = await post(client, as_json(*said), path=f"{STUDIES}/1.2")
    assert answer.status_code == 202
    assert [code for _, code in failures(answer)] == [0xA901]
    assert len(backend.stored) == 1


async def test_metadata_without_uids_fails(client: httpx.AsyncClient) -> None:
    said = metadata()
    del said["00080018"]
    answer = await post(client, as_json(said))
    assert answer.status_code == 409
    assert failures(answer) == [("it has no SOP Class UID or no SOP Instance UID", 0xC000)]


async def test_parts_that_nobody_refers_to_are_told_of(
    client: httpx.AsyncClient, backend: Scripted
) -> None:
    strays = [part(b"x", Content_Location="nobody"), part(b"y")]
    answer = await post(client, as_json(metadata()), *strays)
    assert answer.status_code == 200
    assert "2 parts with bulk data belong to no instance" in answer.headers["Warning"]
    assert len(backend.stored) == 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"nonsense", JSON),
        (b"[1, 2]", JSON),
        (b'[{"00080016": {}', JSON),
        (b"", JSON),
        (b"[]", JSON),
    ],
)
async def test_what_is_no_metadata_is_400(
    client: httpx.AsyncClient, backend: Scripted, text: bytes, kind: str
) -> None:
    answer = await post(client, part(text, kind), kind=kind)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert backend.stored == []


async def test_broken_xml_is_one_instance_that_fails(client: httpx.AsyncClient) -> None:
    good = dicom_xml.dumps(metadata())
    bomb = b'<!DOCTYPE a [<!ENTITY b "c">]><NativeDicomModel>&b;</NativeDicomModel>'
    answer = await post(client, part(good, XML), part(b"<a", XML), part(bomb, XML), kind=XML)
    assert answer.status_code == 202
    assert len(failures(answer)) == 2


async def test_bounds_hold(served: Served, backend: Scripted) -> None:
    async with served(backend, max_parts=3) as client:
        answer = await post(client, as_json(*[metadata(f"1.9.{n}") for n in range(1, 5)]))
        assert answer.status_code == 413
        huge = metadata(t00204000={"vr": "LT", "Value": ["x" * 17_000_000]})
        assert (await post(client, as_json(huge))).status_code == 413
        assert (await post(client, part(b"<" * 17_000_000, XML), kind=XML)).status_code == 413
    assert backend.stored == []


async def test_the_answer_may_be_xml(client: httpx.AsyncClient) -> None:
    answer = await post(client, as_json(metadata()), accept=XML)
    assert answer.headers["Content-Type"] == XML
    said = dicom_xml.loads(answer.content)
    (item,) = said["00081199"]["Value"]
    assert item["00081155"]["Value"] == ["1.9.1"]


async def test_a_request_that_breaks_off_keeps_nothing(
    client: httpx.AsyncClient, backend: Scripted
) -> None:
    content = body(as_json(metadata(**pixels("p"))), part(bytes(32), Content_Location="p"))
    headers = {"Content-Type": f'multipart/related; type="{JSON}"; boundary=b'}
    answer = await client.post(STUDIES, content=content[:-6], headers=headers)
    assert answer.status_code == 400
    assert backend.stored == []


async def test_memory_may_hold_what_was_put_together(served: Served) -> None:
    async with served(Memory()) as client:
        answer = await post(
            client, as_json(metadata(**pixels("p"))), part(bytes(32), Content_Location="p")
        )
        assert answer.status_code == 200
        (said,) = (await client.get("/dicomweb/studies/1.2/metadata")).json()
        assert said["00100010"]["Value"] == [{"Alphabetic": "Doe^Jane"}]


def test_a_pacs_behind_dimse_gets_it_like_any_other(tmp_path: Path) -> None:
    with peers.storescp(tmp_path / "pacs") as pacs:
        more = (
            f'[mounts.PACS]\nbackend = "dimse"\naet = "{pacs.aet}"\nhost = "{peers.HOST}"\n'
            f"port = {pacs.port}\n"
        )
        with peers.hilum(tmp_path / "broker", peers.configuration(more=more)) as broker:
            kind = f"image/dicom-rle; transfer-syntax={RLE}"
            said = [metadata("1.9.1", **pixels("a")), metadata("1.9.2", **pixels("b"))]
            parts = [part(bytes(32), Content_Location="a"), part(b"ab", kind, Content_Location="b")]
            answer = httpx.post(
                f"{broker.root}/aets/PACS/studies",
                content=body(as_json(*said), *parts),
                headers={"Content-Type": f'multipart/related; type="{JSON}"; boundary=b'},
            )
        assert answer.status_code == 200, answer.text
        files = {pydicom.dcmread(path).SOPInstanceUID: path for path in pacs.files()}
    assert {*files} == {"1.9.1", "1.9.2"}
    assert pydicom.dcmread(files["1.9.1"]).PixelData == bytes(32)
    assert pydicom.dcmread(files["1.9.2"]).file_meta.TransferSyntaxUID == RLE
