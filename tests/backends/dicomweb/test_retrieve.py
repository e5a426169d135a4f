import asyncio
import gc
import json
from collections.abc import Sequence

import pytest
from tests.backends.dicomweb.served import (
    Answers,
    Liar,
    Request,
    by_path,
    lying,
    origin,
    over_memory,
    said,
)  # fmt: skip
from tests.backends.dicomweb.test_wanted import counted
from tests.backends.dicomweb.wire import RELATED, file_of, house, listed, related, study
from tests.contract import made
from tests.contract.made import Made, uid
from tests.net.webserver import settled, sockets

from hilum.backends.dicomweb import Origin
from hilum.model import errors
from hilum.model.identity import Ref
from hilum.model.instance import Listed

pytestmark = pytest.mark.anyio
STUDY = Ref(uid(1))
ONE, TWO, THREE = house()
S, E = f"/studies/{uid(1)}", f"/studies/{uid(1)}/series/{uid(1, 1)}"


def instance(number: int) -> str:
    return f"{E}/instances/{uid(1, 1, number)}"


async def all_of(cloud: Origin, *refs: Ref) -> tuple[Sequence[Listed] | None, dict[str, bytes]]:
    found: dict[str, bytes] = {}
    async with cloud.retrieve(refs) as retrieval:
        async for one in retrieval.instances:
            assert one.sop_instance_uid not in found
            found[one.sop_instance_uid] = b"".join([chunk async for chunk in one.chunks])
        return retrieval.manifest, found


async def given(answers: Answers, *refs: Ref, **settings: object) -> tuple[dict[str, bytes], Liar]:
    async with lying(answers) as liar, origin(liar.url, **settings) as cloud:
        return (await all_of(cloud, *(refs or (STUDY,))))[1], liar


def data(*instances: Made) -> dict[str, bytes]:
    return {each.sop_instance_uid: each.data for each in instances}


async def test_what_a_second_hilum_has_comes_at_every_level_as_it_is() -> None:
    everything = [made.made(1, 1, 1), made.made(1, 1, 2), made.made(1, 2, 1), made.made(2, 1, 1)]
    async with over_memory() as cloud:
        async with cloud.open() as session:
            for each in everything:
                await session.store(each.instance())
        for refs, which in (
            ([Ref(uid(1))], everything[:3]),
            ([Ref(uid(1), uid(1, 1))], everything[:2]),
            ([Ref(uid(1), uid(1, 1), uid(1, 1, 2))], everything[1:2]),
            ([Ref(instance=uid(1, 2, 1))], everything[2:3]),
            ([Ref(series=uid(1, 2))], everything[2:3]),
            ([Ref(patient="P2")], everything[3:]),
            ([Ref(uid(1), uid(1, 1)), Ref(uid(1)), Ref(uid(2))], everything),
            ([Ref(uid(1), uid(1, 1), uid(1, 1, n)) for n in (1, 2)], everything[:2]),
        ):
            manifest, found = await all_of(cloud, *refs)
            assert found == data(*which)
            assert manifest is not None
            assert {each.sop_instance_uid for each in manifest} == found.keys()


@pytest.mark.parametrize(
    "ref",
    [
        Ref("1.9"),
        Ref("1.9", "1.8"),
        Ref("1.9", "1.8", "1.7"),
        Ref(instance="1.7"),
        Ref(patient="X"),
    ],
)
async def test_of_what_is_not_there_nothing_comes(ref: Ref) -> None:
    async with over_memory() as cloud:
        assert await all_of(cloud, ref) == ([], {})


@pytest.mark.parametrize(
    "kind", [RELATED, RELATED.replace('"', ""), RELATED.replace('type="application/dicom"; ', "")]
)
async def test_an_answer_is_taken_however_it_is_named(kind: str) -> None:
    answers = by_path({S: study(ONE, TWO, kind=kind), "/instances": listed(ONE, TWO)})
    assert (await given(answers))[0] == data(ONE, TWO)


async def test_a_server_that_cannot_be_queried_is_retrieved_from_all_the_same() -> None:
    async with lying(by_path({S: study(ONE, TWO)})) as liar, origin(liar.url) as cloud:
        manifest, found = await all_of(cloud, STUDY)
    assert manifest is None
    assert found == data(ONE, TWO)


async def test_a_server_that_does_not_like_the_star_is_asked_otherwise_and_remembered() -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        if "instances" in request.path:
            writer.write(listed(ONE, **{"00083002": "1.2.840.10008.1.2.4.90"}))
        else:
            writer.write(said(400) if "*" in request.headers["accept"] else study(ONE))

    async with lying(answer) as liar, origin(liar.url) as cloud:
        for _ in range(2):
            manifest, found = await all_of(cloud, STUDY)
            assert found == data(ONE)
            assert manifest is not None
            assert manifest[0].transfer_syntax_uid is None  # it may be given otherwise
        assert len([each for each in liar.targets if each.endswith(uid(1))]) == 4


async def test_one_instance_is_asked_for_once_and_known_before_it_comes() -> None:
    file = file_of(ONE)
    answers = by_path({instance(1): said(200, file, "application/dicom")})
    async with lying(answers) as liar, origin(liar.url) as cloud:
        manifest, found = await all_of(cloud, Ref(uid(1), uid(1, 1), uid(1, 1, 1)))
        assert len(liar.asked) == 1
    assert found == data(ONE)
    assert manifest == [
        Listed(uid(1, 1, 1), made.CT, ONE.transfer_syntax_uid, len(ONE.data), uid(1), uid(1, 1))
    ]


async def test_what_did_not_come_is_asked_for_once_more_and_only_that() -> None:
    answers = by_path({S: study(ONE), "/instances": listed(ONE, TWO, THREE),
                       instance(2): study(TWO), instance(3): study(THREE)})  # fmt: skip
    found, liar = await given(answers)
    assert found == data(ONE, TWO, THREE)
    assert [each for each in liar.targets if "instances/" in each] == [
        f"/web{instance(2)}", f"/web{instance(3)}",
    ]  # fmt: skip


async def test_what_then_is_missing_is_told_by_name() -> None:
    answers = by_path(
        {S: study(ONE), "/instances": listed(ONE, TWO, THREE), instance(2): study(TWO)}
    )
    with pytest.raises(errors.Incomplete) as raised:
        await given(answers)
    assert raised.value.missing == (uid(1, 1, 3),)
    assert raised.value.count == 1


async def test_an_answer_that_ends_early_is_completed_one_by_one() -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.path.endswith("/instances"):
            writer.write(listed(ONE, TWO, THREE))
        elif "/instances/" in request.path:
            number = int(request.path[-1])
            writer.write(study([ONE, TWO, THREE][number - 1]))
        elif request.path.endswith("/studies"):
            writer.write(said(200, b"[]"))
        else:
            whole = study(ONE, TWO)
            writer.write(whole[: len(whole) - len(TWO.data) - 200])
            await writer.drain()
            raise EOFError

    assert (await given(answer))[0] == data(ONE, TWO, THREE)


async def test_an_answer_cut_within_an_instance_raises_from_its_chunks_and_goes_on() -> None:
    big = house(2, 400_000)

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.path.endswith("/instances"):
            writer.write(listed(*big))
        elif "/instances/" in request.path:
            writer.write(study(big[int(request.path[-1]) - 1]))
        elif request.path.endswith("/studies"):
            writer.write(said(200, b"[]"))
        else:
            writer.write(study(*big)[:300_000])
            await writer.drain()
            raise EOFError

    async with (
        lying(answer) as liar,
        origin(liar.url) as cloud,
        cloud.retrieve([STUDY]) as retrieval,
    ):
        first = await anext(retrieval.instances)
        with pytest.raises(errors.BackendUnavailable):
            async for _ in first.chunks:
                pass
        second = await anext(retrieval.instances)
        assert b"".join([chunk async for chunk in second.chunks]) == big[1].data
        with pytest.raises(StopAsyncIteration):
            await anext(retrieval.instances)


@pytest.mark.parametrize("broken", ["cut", "206", "unreadable"])
async def test_where_nothing_is_listed_a_short_answer_is_never_whole(broken: str) -> None:
    whole = {
        "cut": said(200, related([file_of(ONE)], end=False), RELATED),
        "206": study(ONE, status=206),
        "unreadable": said(200, related([file_of(ONE), b"nonsense"]), RELATED),
    }[broken]
    with pytest.raises(errors.BackendFault) as raised:
        await given(by_path({S: whole}))
    assert broken == "cut" or isinstance(raised.value, errors.Incomplete)


async def test_a_partial_answer_of_which_all_came_is_whole() -> None:
    answers = by_path({S: study(ONE, TWO, status=206), "/instances": listed(ONE, TWO)})
    assert (await given(answers))[0] == data(ONE, TWO)


async def test_what_came_beyond_the_list_is_given_too() -> None:
    answers = by_path({S: study(ONE, TWO), "/instances": listed(ONE)})
    assert (await given(answers))[0] == data(ONE, TWO)


async def test_what_comes_twice_is_given_once() -> None:
    answers = by_path({S: study(ONE, ONE, TWO), "/instances": listed(ONE, TWO)})
    assert (await given(answers))[0] == data(ONE, TWO)


async def test_a_server_that_gives_only_instances_is_asked_for_each() -> None:
    for status in (404, 405, 501):
        answers = by_path({S: said(status), "/instances": listed(ONE, TWO),
                           instance(1): study(ONE), instance(2): study(TWO)})  # fmt: skip
        assert (await given(answers))[0] == data(ONE, TWO)


MANY = house(101)


async def test_many_instances_are_proven_by_their_number() -> None:
    answers = by_path({S: study(*MANY), "/studies": counted(101)})
    async with lying(answers) as liar, origin(liar.url) as cloud:
        manifest, found = await all_of(cloud, STUDY)
        assert manifest is None
        assert found == data(*MANY)
        assert len(liar.asked) == 2


async def test_where_the_number_is_short_the_names_are_asked_for() -> None:
    paths = {S: study(*MANY[:-2]), "/studies": counted(101), "/instances": listed(*MANY),
             instance(100): study(MANY[99])}  # fmt: skip
    with pytest.raises(errors.Incomplete) as raised:
        await given(by_path(paths))
    assert raised.value.missing == (uid(1, 1, 101),)
    paths[instance(101)] = study(MANY[100])
    assert (await given(by_path(paths)))[0] == data(*MANY)


async def test_a_number_that_was_wrong_is_no_loss_where_all_names_came() -> None:
    answers = by_path({S: study(*MANY), "/studies": counted(500), "/instances": listed(*MANY)})
    assert (await given(answers))[0] == data(*MANY)


async def test_where_there_are_no_names_the_number_that_is_missing_is_told() -> None:
    with pytest.raises(errors.Incomplete) as raised:
        await given(by_path({S: study(*MANY), "/studies": counted(111)}))
    assert raised.value.count == 10
    assert raised.value.missing == ()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BackendFault), (401, errors.CredentialsRefused), (406, errors.BackendFault),
        (413, errors.TooLarge), (500, errors.BackendFault), (503, errors.OutOfResources),
        (504, errors.BackendTimeout),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ref", [STUDY, Ref(uid(1), uid(1, 1), uid(1, 1, 1))])
async def test_an_error_is_told_on_entering(
    ref: Ref, status: int, kind: type[errors.HilumError]
) -> None:
    answers = by_path({"/instances": listed(ONE)}, said(status))
    async with lying(answers) as liar, origin(liar.url, retries=0) as cloud:
        with pytest.raises(kind):
            async with cloud.retrieve([ref]):
                pass


@pytest.mark.parametrize("kind", ["text/html", "application/zip", "multipart/related"])
async def test_what_are_no_instances_is_a_fault(kind: str) -> None:
    answers = by_path({S: said(200, b"<html>", kind), "/instances": listed(ONE)})
    with pytest.raises(errors.BackendFault):
        await given(answers)


async def test_another_instance_than_was_asked_for_is_a_fault() -> None:
    answers = by_path({instance(1): study(TWO)})
    with pytest.raises(errors.BackendFault):
        await given(answers, Ref(uid(1), uid(1, 1), uid(1, 1, 1)))


async def test_an_instance_cut_off_before_it_began_is_asked_for_again() -> None:
    left = [study(ONE)[:150], study(ONE)]

    async def answer(_request: Request, writer: asyncio.StreamWriter) -> None:
        now = left.pop(0)
        writer.write(now)
        await writer.drain()
        if left:
            raise EOFError

    assert (await given(answer, Ref(uid(1), uid(1, 1), uid(1, 1, 1))))[0] == data(ONE)


async def test_a_second_study_that_fails_is_completed_or_told() -> None:
    other = made.made(2)
    answers = by_path({
        S: study(ONE), f"/studies/{uid(2)}": said(500),
        f"{S}/instances": listed(ONE), f"{uid(2)}/instances": listed(other),
    })  # fmt: skip
    with pytest.raises(errors.Incomplete) as raised:
        await given(answers, STUDY, Ref(uid(2)))
    assert raised.value.missing == (uid(2, 1, 1),)


async def test_of_a_study_of_two_patients_only_one_is_given() -> None:
    names = json.loads(listed(ONE, TWO).partition(b"\r\n\r\n")[2])
    for each, patient in zip(names, ("P1", "P2"), strict=True):
        each["00100020"] = {"vr": "LO", "Value": [patient]}
    answers = by_path({S: study(ONE, TWO), "/instances": said(200, json.dumps(names).encode())})
    assert (await given(answers, Ref(uid(1), patient="P1")))[0] == data(ONE)


async def test_retrievals_have_a_root_of_their_own() -> None:
    async with lying(by_path({S: study(ONE)})) as liar:
        async with origin("http://127.0.0.1:1/x", wado_url=f"{liar.url}/wado", retries=0) as cloud:
            assert (await all_of(cloud, STUDY))[1] == data(ONE)
        assert liar.targets == [f"/web/wado{S}"]


async def test_a_slow_reader_slows_the_server_down() -> None:
    big = [made.made(1, 1, n, PixelData=bytes(1_000_000)) for n in range(1, 31)]
    sent = 0

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        if not request.path.endswith(S):
            writer.write(said(404))
            return
        whole = study(*big)
        for at in range(0, len(whole), 65536):
            writer.write(whole[at : at + 65536])
            await writer.drain()
            sent = at

    async with lying(answer) as liar, origin(liar.url) as cloud:
        async with cloud.retrieve([STUDY]) as retrieval:
            first = await anext(retrieval.instances)
            await anext(aiter(first.chunks))
            await asyncio.sleep(0.5)
            assert sent < 15_000_000
            assert liar.open >= 1
        await asyncio.sleep(0.05)
        assert liar.open <= 1  # that of the queries


@pytest.mark.parametrize("chunks", [0, 1, 3])
async def test_retrievals_left_in_the_middle_leave_nothing_behind(chunks: int) -> None:
    big = house(3, 1_000_000)
    answers = by_path({S: study(*big), "/instances": listed(*big)})
    async with lying(answers) as liar, origin(liar.url) as cloud:
        await all_of(cloud, STUDY)
        gc.disable()
        try:
            before = sockets(), len(asyncio.all_tasks())
            for _ in range(20):
                async with cloud.retrieve([STUDY]) as retrieval:
                    if chunks:
                        one = await anext(retrieval.instances)
                        for _ in range(chunks):
                            await anext(aiter(one.chunks))
            left = await settled(*before)
            assert left[0] <= 0
            assert left[1] <= 0
        finally:
            gc.enable()


@pytest.mark.parametrize("wait", [0.001, 0.003, 0.01, 0.03])
async def test_retrievals_that_are_cancelled_leave_nothing_behind(wait: float) -> None:
    big = house(3, 1_000_000)
    answers = by_path({S: study(*big), "/instances": listed(*big)})
    async with lying(answers) as liar, origin(liar.url) as cloud:
        gc.disable()
        try:
            before = sockets(), len(asyncio.all_tasks())
            for _ in range(15):
                try:
                    async with asyncio.timeout(wait):
                        await all_of(cloud, STUDY)
                except TimeoutError:
                    pass
            left = await settled(before[0] + 4, before[1] + 2)  # one connection of each kind idles
            assert left[0] <= 0
            assert left[1] <= 0
            assert await all_of(cloud, STUDY)
        finally:
            gc.enable()
