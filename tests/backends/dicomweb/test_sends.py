import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from tests.backends.dicomweb.served import Answers, Liar, Request, lying, origin, said
from tests.contract import made
from tests.contract.made import uid
from tests.frontends.dicomweb.sending import MOUNT, mount, service

from hilum.backends.dicomweb import Origin
from hilum.backends.memory import Memory
from hilum.codec import dicom_json, send_status
from hilum.core.backend import Stores
from hilum.model import errors
from hilum.model.identity import Ref
from hilum.model.outcome import Progress
from hilum.model.sending import Failure, Sending, State

pytestmark = pytest.mark.anyio
ENDED = Sending(state=State.ENDED, remaining=0, completed=3)


def sends(
    *told: Sending, begun: int = 202, after: Callable[[Request], None] | None = None
) -> Answers:
    """A server that sends; it tells one after another of its statuses."""
    left = list(told)

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        if after is not None:
            after(request)
        transaction = request.path.rpartition("/")[2]
        if request.method == "POST":
            writer.write(said(begun))
        elif request.method == "DELETE":
            writer.write(said(200))
        else:
            now = left.pop(0) if len(left) > 1 else left[0]
            body = dicom_json.dumps(send_status.encode(transaction, now))
            writer.write(said(200, body, "application/dicom+json", "Retry-After: 0"))

    return answer


async def progress(answers: Answers, *refs: Ref) -> tuple[list[Progress], Liar]:
    async with (
        lying(answers) as liar,
        origin(liar.url) as cloud,
        cloud.send(refs, "FAR^AWAY") as told,
    ):
        return [each async for each in told], liar


async def test_progress_is_told_until_the_end() -> None:
    told, liar = await progress(
        sends(Sending(), Sending(state=State.RUNNING, remaining=2, completed=1), ENDED), Ref("1.2")
    )
    assert told == [
        Progress(remaining=None), Progress(remaining=2, completed=1),
        Progress(remaining=0, completed=3),
    ]  # fmt: skip
    begin, *looks = liar.asked
    assert begin.method == "POST"
    assert parse_qsl(begin.query) == [("destination", "FAR^AWAY"), ("0020000D", "1.2")]
    path, _, transaction = begin.path.rpartition("/")
    assert path == "/web/studies/send-requests"
    assert transaction.startswith("2.25.")
    assert {(each.method, each.target) for each in looks} == {("GET", begin.path)}


@pytest.mark.parametrize(
    ("refs", "resources"),
    [
        ([Ref("1"), Ref("2")], {"/studies?0020000D=1,2"}),
        ([Ref("1", "5"), Ref("1", "6")], {"/studies/1/series?0020000E=5,6"}),
        ([Ref("1", "5", "8"), Ref("1", "5", "9")], {"/studies/1/series/5/instances?00080018=8,9"}),
        ([Ref("1"), Ref("1", "5")], {"/studies?0020000D=1", "/studies/1/series?0020000E=5"}),
        ([Ref("1", "5"), Ref("2", "6")],
         {"/studies/1/series?0020000E=5", "/studies/2/series?0020000E=6"}),
    ],
)  # fmt: skip
async def test_what_belongs_together_is_sent_together(refs: list[Ref], resources: set[str]) -> None:
    told, liar = await progress(sends(ENDED), *refs)
    begun = {
        each.path.removeprefix("/web").partition("/send-requests/")[0]
        + "?" + each.query.replace("destination=FAR%5EAWAY&", "")
        for each in liar.asked if each.method == "POST"
    }  # fmt: skip
    assert begun == resources
    assert told[-1].completed == 3 * len(resources)
    assert told[-1].remaining == 0


async def test_failures_are_told_by_name_and_reason() -> None:
    failures = (
        Failure(sop_instance_uid=uid(1, 1, 1), reason=0x0122, comment="Doe^Jane"),
        Failure(sop_instance_uid=uid(1, 1, 2), sop_class_uid="1.2", reason=0xA700),
    )
    ended = Sending(
        state=State.ENDED, remaining=0, completed=1, failed=3, warning=1, failures=failures
    )
    told, _ = await progress(sends(ended), Ref("1.2"))
    (last,) = told
    assert (last.completed, last.failed, last.warning) == (1, 3, 1)
    assert last.failed_uids == (uid(1, 1, 1), uid(1, 1, 2))
    assert isinstance(last.reason, errors.ClassRefused)
    assert [type(each.failure) for each in last.failures] == [
        errors.ClassRefused, errors.OutOfResources,
    ]  # fmt: skip
    assert "Jane" not in str(last)


@pytest.mark.parametrize("status", [400, 404, 405, 501])
async def test_a_destination_that_it_does_not_know_is_told_before_anything_is_sent(
    status: int,
) -> None:
    with pytest.raises(errors.UnknownDestination):
        await progress(sends(ENDED, begun=status), Ref("1.2"))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, errors.CredentialsRefused),
        (409, errors.BackendFault),
        (500, errors.BackendFault),
        (503, errors.OutOfResources),
    ],
)
async def test_a_server_that_fails_to_begin_is_told_of(
    status: int, kind: type[errors.HilumError]
) -> None:
    with pytest.raises(kind):
        await progress(sends(ENDED, begun=status), Ref("1.2"))


@pytest.mark.parametrize("state", [State.FAILED, State.STOPPED])
async def test_a_send_that_was_given_up_is_a_fault(state: State) -> None:
    with pytest.raises(errors.BackendFault):
        await progress(sends(Sending(state=state)), Ref("1.2"))
    told, _ = await progress(sends(Sending(state=state, failed=2)), Ref("1.2"))
    assert told[-1].failed == 2


@pytest.mark.parametrize("came", [True, False])
async def test_a_request_of_which_no_answer_came_is_asked_about(*, came: bool) -> None:
    def broken(request: Request) -> None:
        if request.method == "POST":
            raise EOFError

    told_of = sends(ENDED, after=broken)

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        if came or request.method == "POST":
            await told_of(request, writer)
        else:
            writer.write(said(404))

    if came:
        told, liar = await progress(answer, Ref("1.2"))
        assert told[-1].completed == 3
        assert [each.method for each in liar.asked].count("POST") == 1
    else:
        with pytest.raises(errors.BackendUnavailable):
            await progress(answer, Ref("1.2"))


@pytest.mark.parametrize("look", [False, True])
async def test_leaving_gives_it_up_at_the_far_side(*, look: bool) -> None:
    running = Sending(state=State.RUNNING, remaining=5)
    async with lying(sends(running)) as liar, origin(liar.url) as cloud:
        async with cloud.send([Ref("1.2")], "FAR") as told:
            if look:
                await anext(told)
        methods = [each.method for each in liar.asked]
        assert methods.count("DELETE") == int(look)


async def test_what_has_ended_is_not_given_up() -> None:
    _, liar = await progress(sends(ENDED), Ref("1.2"))
    assert "DELETE" not in [each.method for each in liar.asked]


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"{}", b'{"x": 1}'])
async def test_a_status_that_cannot_be_read_is_a_fault(body: bytes) -> None:
    async def answer(request: Request, writer: Any) -> None:
        writer.write(said(202 if request.method == "POST" else 200, body))

    with pytest.raises(errors.BackendFault):
        await progress(answer, Ref("1.2"))


@asynccontextmanager
async def second_hilum(
    folder: Path, destinations: dict[str, Stores] | None = None
) -> AsyncIterator[tuple[Origin, Memory]]:
    """A mount of another Hilum as an origin, and the memory behind another mount there."""
    here, there = Memory(), Memory()
    async with here.open() as session:
        for number in range(1, 5):
            assert (await session.store(made.made(1, 1, number).instance())).failure is None
        assert (await session.store(made.made(2).instance())).failure is None
    mounts = {MOUNT: mount(MOUNT, here), "TWO": mount("TWO", there)}
    async with (
        service(mounts, folder, destinations) as served,
        origin(f"{served.root}/aets/{MOUNT}") as cloud,
    ):
        yield cloud, there


@pytest.mark.parametrize(
    ("refs", "count"),
    [
        ([Ref(uid(1))], 4), ([Ref(uid(1)), Ref(uid(2))], 5), ([Ref(uid(1), uid(1, 1))], 4),
        ([Ref(uid(1), uid(1, 1), uid(1, 1, 2)), Ref(uid(1), uid(1, 1), uid(1, 1, 3))], 2),
        ([Ref(instance=uid(2, 1, 1))], 1), ([Ref(patient="P1")], 4),
    ],
)  # fmt: skip
async def test_a_second_hilum_sends(tmp_path: Path, refs: list[Ref], count: int) -> None:
    async with second_hilum(tmp_path) as (cloud, there), cloud.send(refs, "TWO") as told:
        last = [each async for each in told][-1]
        assert last == Progress(remaining=0, completed=count)
        assert len(there._kept) == count


async def test_a_second_hilum_says_which_destination_it_does_not_know(tmp_path: Path) -> None:
    async with second_hilum(tmp_path) as (cloud, _), cloud.send([Ref(uid(1))], "NOBODY") as told:
        with pytest.raises(errors.UnknownDestination):
            await anext(told)


async def test_a_second_hilum_names_what_failed(tmp_path: Path) -> None:
    async with second_hilum(tmp_path) as (cloud, there):
        async with there.open() as session:
            await session.store(made.made(1, 1, 3, PatientName="Roe^Jim").instance())
        async with cloud.send([Ref(uid(1))], "TWO") as told:
            last = [each async for each in told][-1]
    assert (last.completed, last.failed) == (3, 1)
    assert last.failed_uids == (uid(1, 1, 3),)
    assert isinstance(last.reason, errors.Conflict)
