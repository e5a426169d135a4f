import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pydantic import SecretStr
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian
from tests.backends.dicomweb.served import (
    Answers,
    Liar,
    Request,
    always,
    by_path,
    lying,
    origin,
    over_memory,
    said,
)  # fmt: skip
from tests.contract import made
from tests.contract.made import Made, uid
from tests.net.webserver import settled, sockets
from tests.peers import free_port

from hilum.backends.dicomweb import open_url_stores
from hilum.backends.dicomweb.origin import Origin
from hilum.codec import part10
from hilum.codec.header import EXPLICIT_LITTLE
from hilum.codec.reencode import Reencoder
from hilum.config.mounts import UrlDestination
from hilum.model import errors
from hilum.model.identity import Ref
from hilum.model.instance import Instance
from hilum.model.outcome import Stored

pytestmark = pytest.mark.anyio
ONE = made.made()
ITEM = {"00081155": {"vr": "UI", "Value": [uid(1, 1, 1)]}}
KEPT = said(200, json.dumps({"00081199": {"vr": "SQ", "Value": [ITEM]}}).encode())


async def store(answers: Answers, instance: Instance | None = None) -> tuple[Stored, Liar]:
    async with lying(answers) as liar, origin(liar.url) as cloud, cloud.open() as session:
        return await session.store(instance or ONE.instance()), liar


async def kept(cloud: Origin, study: str) -> list[tuple[str, bytes]]:
    async with cloud.retrieve([Ref(study)]) as retrieval:
        return [
            (one.transfer_syntax_uid, b"".join([chunk async for chunk in one.chunks]))
            async for one in retrieval.instances
        ]


async def test_an_instance_goes_out_as_the_only_part_of_a_request_of_known_length() -> None:
    stored, liar = await store(always(KEPT))
    assert stored == Stored(
        sop_class_uid=made.CT, sop_instance_uid=uid(1, 1, 1),
        study_instance_uid=uid(1), series_instance_uid=uid(1, 1),
    )  # fmt: skip
    (request,) = liar.asked
    assert (request.method, request.target) == ("POST", "/web/studies")
    assert request.headers["accept"] == "application/dicom+json"
    kind, boundary = request.headers["content-type"].rsplit("; boundary=", 1)
    assert kind == 'multipart/related; type="application/dicom"'
    head, _, rest = request.body.partition(b"\r\n\r\n")
    assert head == f"--{boundary}\r\nContent-Type: application/dicom".encode()
    file = rest.removesuffix(f"\r\n--{boundary}--\r\n".encode())
    found = part10.read_head(file, complete=True)
    assert found is not None
    assert (found.sop_instance_uid, found.transfer_syntax_uid) == (uid(1, 1, 1), EXPLICIT_LITTLE)
    assert file[found.offset :] == ONE.data


async def test_an_instance_of_unknown_length_goes_out_in_chunks() -> None:
    stored, liar = await store(always(KEPT), ONE.instance(size=False))
    assert stored.failure is None
    assert liar.asked[0].headers["transfer-encoding"] == "chunked"


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
async def test_what_the_web_does_not_allow_is_re_encoded(syntax: str) -> None:
    async with over_memory() as cloud:
        one = made.of(made.dataset(), syntax)
        async with cloud.open() as session:
            stored = await session.store(one.instance())
        assert stored.failure is None
        assert stored.series_instance_uid == uid(1, 1)
        encoder = Reencoder(syntax, EXPLICIT_LITTLE)
        plain = encoder.feed(one.data) + encoder.close()
        assert await kept(cloud, uid(1)) == [(EXPLICIT_LITTLE, plain)]


async def test_other_syntaxes_stay_as_they_are() -> None:
    _, liar = await store(
        always(KEPT), replace(ONE.instance(), transfer_syntax_uid=DeflatedExplicitVRLittleEndian)
    )
    assert DeflatedExplicitVRLittleEndian.encode() in liar.asked[0].body


async def test_what_cannot_be_re_encoded_is_a_failure_of_its_own() -> None:
    frames = b"\x7f\xe0\x00\x10OB\0\0\xff\xff\xff\xff\xff\xfe\xe0\0\0\0\0\0"  # encapsulated
    broken = Made(frames, made.CT, uid(1, 1, 1), ExplicitVRBigEndian)
    stored, liar = await store(always(KEPT), broken.instance())
    assert isinstance(stored.failure, errors.BadDataset)
    assert liar.asked == []


@pytest.mark.parametrize("chunk", [100, 65536])
@pytest.mark.parametrize("kind", ["class", "instance"])
async def test_another_instance_than_was_announced_is_not_sent(kind: str, chunk: int) -> None:
    one = ONE.instance(chunk)
    wrong = (
        replace(one, sop_class_uid=made.SECONDARY_CAPTURE)
        if kind == "class" else replace(one, sop_instance_uid="1.2.3")
    )  # fmt: skip
    stored, liar = await store(always(KEPT), wrong)
    assert isinstance(stored.failure, errors.ClassMismatch)
    assert liar.asked == []


async def test_the_far_sides_refusals_are_told_in_our_words() -> None:
    async with over_memory() as cloud, cloud.open() as session:
        assert (await session.store(ONE.instance())).failure is None
        assert (await session.store(ONE.instance())).failure is None
        other = await session.store(made.made(PatientName="Roe^Richard").instance())
        assert isinstance(other.failure, errors.Conflict)
        assert other.study_instance_uid == uid(1)
        rubbish = await session.store(Made(b"nonsense", made.CT, uid(1, 1, 2)).instance())
        assert isinstance(rubbish.failure, errors.BadDataset)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, errors.CredentialsRefused), (404, errors.BackendFault), (409, errors.BackendFault),
        (413, errors.TooLarge), (415, errors.UnsupportedMedia), (500, errors.BackendFault),
        (502, errors.BackendUnavailable), (503, errors.OutOfResources),
    ],
)  # fmt: skip
async def test_a_failure_is_told_and_nothing_is_sent_twice(
    status: int, kind: type[errors.HilumError]
) -> None:
    stored, liar = await store(always(said(status, b"<html>Doe^Jane</html>", "text/html")))
    assert type(stored.failure) is kind
    assert "Jane" not in str(stored.failure)
    assert len(liar.asked) == 1


async def test_an_answer_without_end_is_not_read_for_ever() -> None:
    async def answer(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
            await writer.drain()

    stored, _ = await asyncio.wait_for(store(answer), 20)
    assert isinstance(stored.failure, errors.BackendFault)


def failing(size: int | None) -> Instance:
    async def chunks() -> AsyncIterator[bytes]:
        yield ONE.data[:100]
        raise errors.Incomplete("the source broke off")

    return replace(ONE.instance(), chunks=chunks(), size=size)


@pytest.mark.parametrize("size", [None, len(ONE.data)])
async def test_a_source_that_fails_raises_and_leaves_no_whole_request(size: int | None) -> None:
    async with lying(always(KEPT)) as liar, origin(liar.url) as cloud, cloud.open() as session:
        with pytest.raises(errors.Incomplete, match="source"):
            await session.store(failing(size))
        assert liar.asked == []
        assert (await session.store(ONE.instance())).failure is None


@pytest.mark.parametrize("by", [-10, 10])
async def test_a_source_of_another_length_than_it_said_is_not_stored(by: int) -> None:
    async with lying(always(KEPT)) as liar, origin(liar.url) as cloud, cloud.open() as session:
        with pytest.raises(errors.BackendFault):
            await session.store(replace(ONE.instance(50), size=len(ONE.data) + by))
        assert liar.asked == []


async def test_a_server_that_cannot_be_reached_is_not_waited_for_again_and_again() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    async with origin(url, backoff=0.2, retries=1) as cloud, cloud.open() as session:
        first = await session.store(ONE.instance())
        began = time.monotonic()
        later = [await session.store(ONE.instance()) for _ in range(100)]
        assert time.monotonic() - began < 0.5
    assert isinstance(first.failure, errors.BackendUnavailable)
    assert all(isinstance(each.failure, errors.BackendUnavailable) for each in later)


async def test_a_server_that_comes_back_is_reached_by_the_same_session_after_a_failure() -> None:
    left = [b"", KEPT]

    async def answer(_request: Request, writer: asyncio.StreamWriter) -> None:
        now = left.pop(0)
        if not now:
            raise EOFError
        writer.write(now)

    async with lying(answer) as liar, origin(liar.url) as cloud, cloud.open() as session:
        broken = await session.store(ONE.instance())
        assert isinstance(broken.failure, errors.BackendUnavailable)
        assert (await session.store(ONE.instance())).failure is None


async def test_a_destination_is_a_url_of_its_own() -> None:
    async with lying(always(KEPT)) as liar:
        destination = UrlDestination(url=liar.url, username="bob", password=SecretStr("pw"))
        async with open_url_stores(destination, "BACKUP") as stores, stores.open() as session:
            assert (await session.store(ONE.instance())).failure is None
        assert liar.asked[0].headers["authorization"].startswith("Basic ")


async def test_storing_has_a_root_of_its_own() -> None:
    async with (
        lying(by_path({"/stow/studies": KEPT})) as liar,
        origin("http://127.0.0.1:1/x", stow_url=f"{liar.url}/stow") as cloud,
        cloud.open() as session,
    ):
        assert (await session.store(ONE.instance())).failure is None


async def test_a_slow_server_slows_the_source_down() -> None:
    given = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal given
        for _ in range(60):
            given += 1
            yield bytes(1_000_000)

    heard_all = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await heard_all.wait()
        writer.transport.abort()

    server = await asyncio.start_server(deaf, "127.0.0.1", 0, limit=65536)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        async with origin(url, store_timeout=0.5) as cloud, cloud.open() as session:
            stored = await session.store(replace(ONE.instance(), chunks=chunks(), size=60_000_000))
        assert isinstance(stored.failure, errors.BackendTimeout)
        assert given < 30
    finally:
        server.close()
        heard_all.set()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("wait", [0.002, 0.02, 0.1])
async def test_stores_that_are_cancelled_leave_nothing_behind(wait: float) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        while True:
            yield bytes(100_000)
            await asyncio.sleep(0.001)

    async with lying(always(KEPT)) as liar, origin(liar.url) as cloud:
        gc.disable()
        try:
            before = sockets(), len(asyncio.all_tasks())
            for _ in range(10):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(wait), cloud.open() as session:
                        await session.store(replace(ONE.instance(), chunks=chunks(), size=None))
            assert await settled(*before) == (0, 0)
            assert liar.asked == []
        finally:
            gc.enable()
