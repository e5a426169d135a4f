import asyncio
import json

import pytest
from tests.backends.dicomweb.served import (
    Answers,
    Liar,
    Request,
    always,
    by_path,
    hilum,
    lying,
    origin,
    over_memory,
    said,
)  # fmt: skip
from tests.contract import made
from tests.contract.made import uid

from hilum.backends.dicomweb import Origin
from hilum.backends.memory import Memory
from hilum.model import errors
from hilum.model.identity import Level
from hilum.model.query import Path, Query

pytestmark = pytest.mark.anyio
STUDY, SERIES, INSTANCE = (0x0020000D,), (0x0020000E,), (0x00080018,)
NAME: Path = (0x00100010,)


def study(number: int) -> dict[str, object]:
    return {"0020000D": {"vr": "UI", "Value": [uid(number)]}}


def studies(first: int, last: int) -> bytes:
    return json.dumps([study(number) for number in range(first, last + 1)]).encode()


async def uids(origin: Origin, query: Query, tag: str = "0020000D") -> list[str]:
    async with origin.ask(query) as replies:
        assert replies.keys_ignored
        return [each[tag]["Value"][0] async for each in replies]


async def asked(answers: Answers, query: Query, **settings: object) -> tuple[list[str], Liar]:
    async with lying(answers) as liar, origin(liar.url, **settings) as cloud:
        return await uids(cloud, query), liar


async def test_what_a_second_hilum_has_is_found_at_each_level() -> None:
    async with over_memory() as cloud:
        async with cloud.open() as session:
            for number in range(1, 4):
                await session.store(made.made(1, number, 1).instance())
            await session.store(made.made(2, 1, 1, PatientName="Roe^Richard").instance())
        assert await uids(cloud, Query(Level.STUDY)) == [uid(1), uid(2)]
        assert await uids(cloud, Query(Level.STUDY, {NAME: "Roe*"})) == [uid(2)]
        assert len(await uids(cloud, Query(Level.SERIES))) == 4
        assert len(await uids(cloud, Query(Level.SERIES, {STUDY: uid(1)}), "0020000E")) == 3
        assert await uids(
            cloud, Query(Level.IMAGE, {STUDY: uid(2), SERIES: uid(2, 1)}), "00080018"
        ) == [uid(2, 1, 1)]
        async with cloud.ask(Query(Level.SERIES, {STUDY: uid(2)}, frozenset({NAME}))) as replies:
            (one,) = [each async for each in replies]
        assert one["00100010"]["Value"] == [{"Alphabetic": "Roe^Richard"}]
        assert "00081190" not in one  # the server's own URL


async def test_more_than_one_page_of_a_second_hilum_is_read_on() -> None:
    memory = Memory("FAR")
    async with memory.open() as session:
        for number in range(1, 25):
            await session.store(made.made(number).instance())
    async with hilum(memory, query_limit=7) as url, origin(url) as cloud:
        assert await uids(cloud, Query(Level.STUDY)) == [uid(number) for number in range(1, 25)]


@pytest.mark.parametrize("status", [200, 204])
@pytest.mark.parametrize("body", [b"", b"[]"])
async def test_nothing_is_said_in_many_ways(status: int, body: bytes) -> None:
    found, _ = await asked(always(said(status, b"" if status == 204 else body)), Query(Level.STUDY))
    assert found == []


@pytest.mark.parametrize(
    "kind", ["application/dicom+json", "application/json; charset=utf-8", "text/plain", ""]
)
async def test_json_is_taken_under_many_names(kind: str) -> None:
    found, _ = await asked(always(said(200, studies(1, 2), kind)), Query(Level.STUDY))
    assert found == [uid(1), uid(2)]


async def test_an_object_alone_is_taken() -> None:
    found, _ = await asked(always(said(200, json.dumps(study(3)).encode())), Query(Level.STUDY))
    assert found == [uid(3)]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>please log in</html>", "text/html"), (b"<x/>", "application/dicom+xml"),
        (b"--b--", "multipart/related; boundary=b"), (b"<html>", "application/json"),
        (b'[{"0020000D": 7}]', "application/json"), (b'[{"a": {}', "application/json"),
        (b'[{"a" {}}]', "application/json"), (b"[1, 2]", "application/json"),
    ],
)  # fmt: skip
async def test_what_is_no_dicom_json_is_a_fault(body: bytes, kind: str) -> None:
    with pytest.raises(errors.BackendFault):
        await asked(always(said(200, body, kind)), Query(Level.STUDY))


def paged(most: int, total: int, warning: str = "", status: int = 200) -> Answers:
    """A server that gives at most so many at once."""

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        keys = dict(pair.split("=") for pair in request.query.split("&") if pair)
        first = int(keys.get("offset", 0)) + 1
        last = min(first + min(most, int(keys.get("limit", most))) - 1, total)
        more = [f'Warning: 299 far: "{warning}"'] if warning and last < total else []
        code = status if last < total else 200
        writer.write(said(code, studies(first, last), "application/dicom+json", *more))

    return answer


@pytest.mark.parametrize(
    "answers",
    [
        paged(7, 40, "There are additional results that can be requested"),
        paged(7, 40, status=206), paged(25, 110), paged(100, 100), paged(64, 150),
    ],
)  # fmt: skip
async def test_pages_are_read_to_the_end_in_their_order(answers: Answers) -> None:
    found, _ = await asked(answers, Query(Level.STUDY))
    assert found == [uid(number) for number in range(1, len(found) + 1)]
    assert len(found) in {40, 110, 100, 150}


async def test_a_page_that_is_surely_the_last_is_not_asked_beyond() -> None:
    found, liar = await asked(paged(1000, 7), Query(Level.STUDY))
    assert len(found) == 7
    assert len(liar.asked) == 1


@pytest.mark.parametrize("count", [50, 100, 128])
async def test_a_server_that_ignores_the_offset_is_asked_once_more_only(count: int) -> None:
    found, liar = await asked(always(said(200, studies(1, count))), Query(Level.STUDY))
    assert found == [uid(number) for number in range(1, count + 1)]
    assert len(liar.asked) == 2


@pytest.mark.parametrize("status", [204, 400, 404])
async def test_an_error_behind_the_last_page_is_no_error(status: int) -> None:
    found, _ = await asked(always(said(200, studies(1, 50)), said(status)), Query(Level.STUDY))
    assert len(found) == 50


async def test_who_wants_few_asks_for_few() -> None:
    async with lying(paged(1000, 500)) as liar, origin(liar.url) as cloud:
        async with cloud.ask(Query(Level.STUDY, limit=5, offset=2)) as replies:
            found = [(await anext(replies))["0020000D"]["Value"][0] for _ in range(7)]
        assert found == [uid(number) for number in range(1, 8)]
        assert liar.targets == ["/web/studies?limit=7"]


async def test_a_limit_that_the_server_does_not_like_is_left_out() -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(said(400) if "limit" in request.query else said(200, studies(1, 3)))

    found, liar = await asked(answer, Query(Level.STUDY, limit=201))
    assert len(found) == 3
    assert len(liar.asked) == 2


async def test_what_the_path_says_is_in_each_answer() -> None:
    series = said(200, b'[{"0020000E": {"vr": "UI", "Value": ["1.5"]}}]')
    found, _ = await asked(always(series), Query(Level.SERIES, {STUDY: "1.2"}))
    assert found == ["1.2"]


async def test_answers_without_their_uid_are_given_all_the_same() -> None:
    nameless = said(200, b'[{"00100020": {"vr": "LO"}}, {"00100020": {"vr": "LO"}}]')
    async with (
        lying(always(nameless)) as liar,
        origin(liar.url) as cloud,
        cloud.ask(Query(Level.STUDY)) as replies,
    ):
        assert len([each async for each in replies]) == 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadQuery), (401, errors.CredentialsRefused), (403, errors.CredentialsRefused),
        (404, errors.BackendFault), (405, errors.NotOffered), (406, errors.BackendFault),
        (413, errors.TooLarge), (500, errors.BackendFault), (501, errors.NotOffered),
        (503, errors.OutOfResources),
    ],
)  # fmt: skip
async def test_errors_are_told_on_entering(status: int, kind: type[errors.HilumError]) -> None:
    async with lying(always(said(status))) as liar, origin(liar.url) as cloud:
        with pytest.raises(kind) as raised:
            async with cloud.ask(Query(Level.STUDY, {NAME: "Doe^Jane"})):
                pass
        assert type(raised.value) is kind
        assert "Jane" not in str(raised.value)


async def test_refused_credentials_name_the_mount() -> None:
    with pytest.raises(errors.BackendFault, match=r"mounts\.CLOUD"):
        await asked(always(said(401)), Query(Level.STUDY))


async def test_a_study_that_is_not_there_has_no_series() -> None:
    found, _ = await asked(always(said(404)), Query(Level.SERIES, {STUDY: "1.2"}))
    assert found == []


@pytest.mark.parametrize("status", [400, 404, 405, 501])
async def test_a_server_without_searches_across_levels_is_found_out_once(status: int) -> None:
    answers = by_path({"/series": said(status), "/instances": said(status)})
    async with lying(answers) as liar, origin(liar.url) as cloud:
        assert (await cloud.abilities()).relational
        for _ in range(2):
            with pytest.raises(errors.NotOffered):
                await uids(cloud, Query(Level.SERIES, {NAME: "A*"}))
        assert not (await cloud.abilities()).relational
        assert len(liar.asked) <= 2


async def test_a_key_that_is_not_understood_does_not_unlearn_the_search() -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(said(400) if "00100010" in request.query else said(200, b"[]"))

    async with lying(answer) as liar, origin(liar.url) as cloud:
        with pytest.raises(errors.BadQuery):
            await uids(cloud, Query(Level.SERIES, {NAME: "A*"}))
        assert (await cloud.abilities()).relational


@pytest.mark.parametrize("there", [False, True])
async def test_instances_of_a_study_may_be_missing_or_their_resource(*, there: bool) -> None:
    series = said(200, b'[{"0020000E": {"vr": "UI", "Value": ["1.5"]}}]') if there else said(404)
    async with lying(by_path({"/series": series})) as liar, origin(liar.url) as cloud:
        if there:
            with pytest.raises(errors.NotOffered):
                await uids(cloud, Query(Level.IMAGE, {STUDY: "1.2"}))
        else:
            assert await uids(cloud, Query(Level.IMAGE, {STUDY: "1.2"})) == []
        assert (await cloud.abilities()).relational is not there


async def test_a_long_list_is_asked_for_in_parts() -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        listed = dict(pair.split("=") for pair in request.query.split("&"))["0020000D"]
        found = [{"0020000D": {"vr": "UI", "Value": [each]}} for each in listed.split(",")]
        writer.write(said(200, json.dumps(found).encode()))

    wanted = [uid(number) for number in range(1, 501)]
    found, liar = await asked(answer, Query(Level.STUDY, {STUDY: "\\".join(wanted)}))
    assert found == wanted
    assert len(liar.asked) > 1


async def test_a_server_that_breaks_off_is_an_error_behind_what_came() -> None:
    async def answer(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(said(200, studies(1, 3))[:-10])
        await writer.drain()
        raise EOFError

    async with (
        lying(answer) as liar,
        origin(liar.url) as cloud,
        cloud.ask(Query(Level.STUDY)) as replies,
    ):
        with pytest.raises(errors.BackendUnavailable):
            async for _ in replies:
                pass


async def test_a_server_that_never_says_anything_is_not_read_for_ever() -> None:
    async def answer(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[ \r\n")
        while True:
            writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
            await writer.drain()

    with pytest.raises(errors.BackendFault):
        await asyncio.wait_for(asked(answer, Query(Level.STUDY)), 20)


async def test_leaving_ends_the_connection() -> None:
    async def answer(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n")
        for number in range(1_000_000):
            one = json.dumps(study(number)).encode() + b","
            writer.write(f"{len(one):x}\r\n".encode() + one + b"\r\n")
            await writer.drain()

    async with lying(answer) as liar, origin(liar.url) as cloud:
        async with cloud.ask(Query(Level.STUDY)) as replies:
            await anext(replies)
            assert liar.open == 1
        await asyncio.sleep(0.1)
        assert liar.open == 0


async def test_what_will_be_sent_is_told() -> None:
    async with origin("http://far.example/web") as cloud:
        assert cloud.told(Query(Level.SERIES, {STUDY: "1.2", NAME: "A*"}, limit=3)) == [
            "GET http://far.example/web/studies/1.2/series?00100010=A*&limit=3"
        ]


async def test_queries_have_a_root_of_their_own() -> None:
    async with lying(always(said(200, b"[]"))) as liar:
        async with origin("http://127.0.0.1:1/x", qido_url=f"{liar.url}/qido") as cloud:
            assert await uids(cloud, Query(Level.STUDY)) == []
        assert liar.targets == ["/web/qido/studies"]


async def test_what_cannot_be_read_is_counted_and_the_rest_is_given() -> None:
    mixed = b'[{"0020000D": 7}, ' + json.dumps(study(1)).encode() + b', {"x" 1}]'
    async with (
        lying(always(said(200, mixed))) as liar,
        origin(liar.url) as cloud,
        cloud.ask(Query(Level.STUDY)) as replies,
    ):
        assert [each async for each in replies] == [study(1)]
        assert replies.unreadable == 2


@pytest.mark.parametrize("fuzzy", [False, True])
@pytest.mark.parametrize("supported", [False, True])
async def test_fuzzy_is_what_was_asked_for_and_not_refused(*, fuzzy: bool, supported: bool) -> None:
    text = 'Warning: 299 far: "The fuzzymatching parameter is not supported."'
    answer = said(200, b"[]", "application/dicom+json", *([] if supported else [text]))
    async with (
        lying(always(answer)) as liar,
        origin(liar.url) as cloud,
        cloud.ask(Query(Level.STUDY, {NAME: "A"}, fuzzy=fuzzy)) as replies,
    ):
        assert replies.is_fuzzy is (fuzzy and supported)


async def test_only_whoever_asked_for_it_gets_fuzzy_matching() -> None:
    async with lying(always(said(200, b"[]"))) as liar, origin(liar.url) as cloud:
        await uids(cloud, Query(Level.STUDY, {NAME: "A"}))
        await uids(cloud, Query(Level.STUDY, {NAME: "A"}, fuzzy=True))
        assert ["fuzzymatching=true" in each for each in liar.targets] == [False, True]
