import pytest
from pydicom.uid import ImplicitVRLittleEndian
from tests.backends.dicomweb.served import always, lying, said
from tests.backends.dicomweb.wire import RELATED, file_of, house, related
from tests.contract import made
from tests.contract.made import uid
from tests.net.webserver import ANY, client

from hilum.backends.dicomweb.parts import Parts
from hilum.codec import part10
from hilum.model import errors
from hilum.model.instance import CHUNK, gathering

pytestmark = pytest.mark.anyio
ONE, TWO, _ = house()
SIZES = [(1, 2), (2, 5 * CHUNK), (3, 60_000), (4, 70_000), (5, 0), (6, CHUNK)]


async def instances(
    whole: bytes, *, skip: bool = False
) -> tuple[list[tuple[str, str, int | None, bytes]], Parts]:
    async with (
        lying(always(whole)) as liar,
        client(liar.url) as asked,
        asked.get(liar.url, ANY) as answer,
    ):
        parts = Parts(answer, "the server")
        found = []
        while (one := await parts.next()) is not None:
            data = b"" if skip else b"".join([chunk async for chunk in one.chunks])
            found.append((one.sop_instance_uid, one.transfer_syntax_uid, one.size, data))
        return found, parts


@pytest.mark.parametrize("headers", ["", "Content-Type: application/dicom\r\n"])
async def test_instances_come_one_after_another(headers: str) -> None:
    other = made.of(made.dataset(1, 1, 2), ImplicitVRLittleEndian)
    body = related([file_of(ONE), file_of(other)], headers)
    found, parts = await instances(said(200, body, RELATED))
    assert found == [
        (uid(1, 1, 1), ONE.transfer_syntax_uid, None, ONE.data),
        (uid(1, 1, 2), ImplicitVRLittleEndian, None, other.data),
    ]
    assert parts.ended


async def test_an_instance_alone_is_taken_with_its_length() -> None:
    for kind in ("application/dicom", "application/octet-stream", ""):
        found, parts = await instances(said(200, file_of(ONE), kind))
        assert found == [(uid(1, 1, 1), ONE.transfer_syntax_uid, len(ONE.data), ONE.data)]
        assert parts.ended


async def test_the_length_of_a_part_is_believed_and_checked() -> None:
    file = file_of(ONE)
    found, _ = await instances(
        said(200, related([file], f"Content-Length: {len(file)}\r\n"), RELATED)
    )
    assert found[0][2] == len(ONE.data)
    for wrong in (len(file) - 1, len(file) + 1, 0):
        with pytest.raises(errors.BackendFault):
            await instances(said(200, related([file], f"Content-Length: {wrong}\r\n"), RELATED))


@pytest.mark.parametrize("length", [True, False])
async def test_what_comes_together_is_given_together(*, length: bool) -> None:
    made_of = [made.made(1, 1, n, PixelData=bytes([n]) * size) for n, size in SIZES]
    files = [file_of(each) for each in made_of]
    body = b"".join(
        related([file], f"Content-Length: {len(file)}\r\n" if length else "", end=file is files[-1])
        for file in files
    )
    async with (
        lying(always(said(200, body, RELATED))) as liar,
        client(liar.url) as asked,
        asked.get(liar.url, ANY) as answer,
    ):
        parts, found = Parts(answer, "the server"), []
        while (one := await parts.next()) is not None:
            several, together = gathering(one.chunks), []
            while pieces := await several(1):
                assert max(map(len, pieces)) <= CHUNK
                together += map(bytes, pieces)
            found.append((one.sop_instance_uid, b"".join(together)))
        assert parts.ended
    assert found == [(each.sop_instance_uid, each.data) for each in made_of]


async def test_what_was_not_read_is_skipped() -> None:
    body = related([file_of(ONE), file_of(TWO)])
    found, parts = await instances(said(200, body, RELATED), skip=True)
    assert [each[0] for each in found] == [uid(1, 1, 1), uid(1, 1, 2)]
    assert parts.ended


async def test_a_part_that_is_no_instance_is_counted() -> None:
    nameless = made.of(made.dataset(SOPInstanceUID=None))
    body = related([b"", b"nonsense", file_of(nameless), file_of(ONE)])
    found, parts = await instances(said(200, body, RELATED))
    assert [each[0] for each in found] == [uid(1, 1, 1)]
    assert parts.unreadable == 3


async def test_a_file_without_a_head_is_known_by_its_data_set() -> None:
    found, _ = await instances(said(200, related([ONE.data]), RELATED))
    assert found == [(uid(1, 1, 1), ONE.transfer_syntax_uid, None, ONE.data)]


async def test_the_data_set_is_right_where_the_head_names_another_instance() -> None:
    wrong = part10.encode_meta(made.CT, "1.2.3", ONE.transfer_syntax_uid) + ONE.data
    found, _ = await instances(said(200, related([wrong]), RELATED))
    assert found[0][0] == uid(1, 1, 1)


async def test_chunks_are_short() -> None:
    big = made.made(PixelData=bytes(3 * CHUNK))
    async with (
        lying(always(said(200, related([file_of(big)]), RELATED))) as liar,
        client(liar.url) as asked,
        asked.get(liar.url, ANY) as answer,
    ):
        one = await Parts(answer, "the server").next()
        assert one is not None
        chunks = [chunk async for chunk in one.chunks]
    assert max(map(len, chunks)) <= CHUNK
    assert b"".join(chunks) == big.data


async def test_an_instance_that_is_cut_off_raises_from_its_chunks() -> None:
    big = made.made(PixelData=bytes(300_000))
    body = related([file_of(ONE), file_of(big)], end=False)[:-1000]
    async with (
        lying(always(said(200, body, RELATED))) as liar,
        client(liar.url) as asked,
        asked.get(liar.url, ANY) as answer,
    ):
        parts = Parts(answer, "the server")
        one = await parts.next()
        assert one is not None
        assert b"".join([chunk async for chunk in one.chunks]) == ONE.data
        two = await parts.next()
        assert two is not None
        for _ in range(2):
            with pytest.raises(errors.BackendFault):
                async for _chunk in two.chunks:
                    pass
        assert await parts.next() is None
        assert parts.broken is not None
        assert not parts.ended


@pytest.mark.parametrize("kind", ["text/html", "application/json", "application/zip"])
async def test_what_holds_no_instances_is_refused(kind: str) -> None:
    with pytest.raises(errors.BackendFault):
        await instances(said(200, b"<html>", kind))
