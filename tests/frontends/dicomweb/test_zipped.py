import asyncio
import shutil
import subprocess
from collections.abc import AsyncGenerator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import httpx
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract import made
from tests.contract.made import uid
from tests.frontends.dicomweb.backend import Kept, Scripted
from tests.frontends.dicomweb.conftest import Served

from hilum.codec import part10
from hilum.codec.multipart import closing, part_head
from hilum.frontends.dicomweb import held
from hilum.frontends.dicomweb.zipped import HELD, zipped
from hilum.model.errors import BackendFault, Incomplete
from hilum.model.identity import Ref

pytestmark = pytest.mark.anyio

ZIP = {"Accept": "application/zip"}
STUDY = "/dicomweb/studies/" + uid(1)
JPEG = "1.2.840.10008.1.2.4.50"
EBE = "1.2.840.10008.1.2.2"


def kept(number: int, size: int = 10) -> Kept:
    one = made.made(1, 1, number, PixelData=bytes(size))
    return Kept(uid(1, 1, number), one.data, chunk=100_000)


def opened(content: bytes) -> dict[str, bytes]:
    with ZipFile(BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


NAMES = [f"{uid(1)}/{uid(1, 1)}/{uid(1, 1, number)}.dcm" for number in range(1, 4)]


def unpack(unzip: str, folder: Path) -> None:
    run = [unzip, "-q", str(folder / "a.zip"), "-d", str(folder)]
    assert subprocess.run(run, check=False, timeout=60).returncode == 0


@pytest.mark.parametrize("sizes", [(10, 10, 10), (HELD - 2000, HELD + 1, 3 * HELD)])
async def test_a_study_as_files(
    served: Served, backend: Scripted, tmp_path: Path, sizes: tuple[int, ...]
) -> None:
    backend.kept = [kept(number, size) for number, size in enumerate(sizes, 1)]
    async with served(backend) as client:
        answer = await client.get(STUDY, headers=ZIP)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert f'filename="{uid(1)}.zip"' in answer.headers["content-disposition"]
    files = opened(answer.content)
    assert [*files] == NAMES
    for number, data in enumerate(files.values(), 1):
        assert pydicom.dcmread(BytesIO(data)).InstanceNumber == number
    if unzip := shutil.which("unzip"):
        (tmp_path / "a.zip").write_bytes(answer.content)
        await asyncio.to_thread(unpack, unzip, tmp_path)
        assert (tmp_path / NAMES[0]).read_bytes() == files[NAMES[0]]


@pytest.mark.parametrize(
    "path", ["", f"/series/{uid(1, 1)}", f"/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}"]
)
@pytest.mark.parametrize(
    "accept", ["application/zip", "text/html, application/zip;q=0.3", "application/zip, */*;q=0.1"]
)
async def test_each_level_by_header_or_parameter(
    served: Served, backend: Scripted, path: str, accept: str
) -> None:
    backend.kept = [kept(1)]
    async with served(backend) as client:
        by_header = await client.get(STUDY + path, headers={"Accept": accept})
        by_parameter = await client.get(STUDY + path, params={"accept": accept})
    for answer in (by_header, by_parameter):
        assert [*opened(answer.content)] == NAMES[:1]


async def test_transfer_syntaxes_go_by_the_same_rules_as_in_a_multipart(
    served: Served, backend: Scripted
) -> None:
    backend.kept = [kept(1), Kept("1.9.2", syntax=JPEG)]
    async with served(backend) as client:
        whole = await client.get(STUDY, headers=ZIP)
        assert whole.status_code == 200
        accept = {"Accept": f"application/zip; transfer-syntax={JPEG}"}
        part = await client.get(STUDY, headers=accept)
        assert (part.status_code, len(opened(part.content))) == (206, 1)
        assert "cannot be given" in part.headers["warning"]
        accept = {"Accept": f"application/zip; transfer-syntax={EBE}"}
        assert (await client.get(STUDY, headers=accept)).status_code == 406
        backend.kept = []
        assert (await client.get(STUDY, headers=ZIP)).status_code == 404


async def test_what_did_not_come_in_time_is_told(served: Served, backend: Scripted) -> None:
    backend.kept = [kept(1), kept(2)]
    backend.kept[1].fails_at, backend.late = 0, BackendFault("broken")
    async with served(backend) as client:
        answer = await client.get(STUDY, headers=ZIP)
        assert (answer.status_code, [*opened(answer.content)]) == (206, NAMES[:1])


async def test_what_breaks_off_later_has_no_directory(
    served: Served, backend: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "HOLD", 1)
    backend.kept = [kept(1), kept(2, 3 * HELD)]
    backend.kept[1].fails_at, backend.late = 2 * HELD, Incomplete("broken")
    content = b""
    async with served(backend) as client, client.stream("GET", STUDY, headers=ZIP) as answer:
        assert answer.status_code == 200
        with suppress(httpx.RemoteProtocolError):
            async for piece in answer.aiter_raw():
                content += piece
    assert content.startswith(b"PK")
    with pytest.raises(BadZipFile):
        ZipFile(BytesIO(content))


async def pieces(content: bytes, step: int) -> AsyncGenerator[bytes, None]:
    for at in range(0, len(content), step):
        yield content[at : at + step]


async def test_files_that_do_not_tell_their_names_have_one_all_the_same() -> None:
    meta = part10.encode_meta("1.2", "1.9.9", "1.2.840.10008.1.2.1")
    files = [b"", b"rubbish", b"rubbish", meta, meta + b"\x08\x00\x05\x00CS\x00\x00"]
    head = part_head("b", {})
    content = b"".join(head + each for each in files) + closing("b")
    made = b"".join([each async for each in zipped(pieces(content, 10), "b", Ref(study="1.2.3"))])
    names = ("instance", "instance_2", "instance_3", "1.9.9", "1.9.9_2")
    assert opened(made) == {
        f"1.2.3/{name}.dcm": each for name, each in zip(names, files, strict=True)
    }


@settings(deadline=None)
@given(st.lists(st.binary(max_size=50), max_size=4), st.integers(1, 300))
async def test_any_parts_come_back(files: list[bytes], step: int) -> None:
    head = part_head("boundary", {})
    content = b"".join(head + each for each in files) + closing("boundary")
    made = b"".join([each async for each in zipped(pieces(content, step), "boundary", Ref())])
    assert [*opened(made).values()] == files
