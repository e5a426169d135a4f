"""The caller's token, all the way from an operation to the far side; nothing is shared on it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.backends.dicomweb.served import Request, lying, said
from tests.contract.made import made, uid
from tests.core.test_jobs import Records
from tests.liar import HOST, Liar, answer
from tests.liar import lying as lying_pacs

from hilum.codec.dimse import Service
from hilum.codec.part10 import encode_meta
from hilum.config.auth import AuthSettings, TokenSettings
from hilum.config.mounts import AnyMount, ArchiveMount, DicomwebMount, DimseMount
from hilum.config.schema import ServerSettings, Settings
from hilum.core import operations as ops
from hilum.core.broker import Broker
from hilum.core.jobs import open_sends
from hilum.core.transactions import Transaction
from hilum.model.errors import HilumError, Unauthenticated
from hilum.model.identity import Level, Ref
from hilum.model.principal import NOBODY, Principal, Proof
from hilum.model.query import Query
from hilum.model.sending import State
from hilum.mounting import mounted
from hilum.net.inbox import Inbox

pytestmark = pytest.mark.anyio
ANNA = Principal("anna", Proof.TOKEN, token="a.a.a")  # noqa: S106 - no secret
BOB = Principal("bob", Proof.TOKEN, token="b.b.b")  # noqa: S106 - no secret
CT = Principal("CT", Proof.AE_TITLE, "CT")
ONE = made(1, 1, 1)
REF = Ref(uid(1), uid(1, 1), uid(1, 1, 1))


@dataclass
class Far:
    """A system that remembers with which token each request came."""

    tokens: list[str] = field(default_factory=list)

    async def web(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.tokens.append(request.headers.get("authorization", "").removeprefix("Bearer "))
        path = request.path.removeprefix("/web")
        if path in {"/studies", "/instances"} and request.method == "GET":
            writer.write(said(200, b'[{"0020000D":{"vr":"UI","Value":["%s"]}}]' % _study()))
        elif path.endswith("/metadata"):
            writer.write(said(404))
        elif request.method == "GET" and "/studies/" in path:
            meta = encode_meta(ONE.sop_class_uid, ONE.sop_instance_uid, ONE.transfer_syntax_uid)
            head = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + bytes(128) + b"DICM"
            whole = head + meta.removeprefix(bytes(128) + b"DICM") + ONE.data + b"\r\n--b--\r\n"
            writer.write(
                said(200, whole, 'multipart/related; type="application/dicom"; boundary=b')
            )
        else:
            writer.write(said(200, b"{}"))

    async def pacs(self, one: Liar) -> None:
        identity = (await one.accept()).negotiation.identity
        self.tokens.append("" if identity is None else identity.primary.decode())
        assert identity is None or identity.type == 5
        while (message := await one.message()) is not None:
            if message.command.command_field in set(Service):
                one.say(answer(message, 0), context_id=message.context_id)


def _study() -> bytes:
    return uid(1).encode()


@asynccontextmanager
async def far_side(kind: str, **more: object) -> AsyncIterator[tuple[Far, AnyMount]]:
    """A system elsewhere, and the mount that stands for it."""
    far = Far()
    if kind == "dicomweb":
        async with lying(far.web) as there:
            said = {"backend": "dicomweb", "url": there.url, "backoff": 0.01}
            yield far, DicomwebMount(**{"forward_token": True, **said, **more})
    else:
        async with lying_pacs(far.pacs) as port:
            said = {"backend": "dimse", "aet": "P", "host": HOST, "port": port, "retrieve": "get"}
            yield far, DimseMount(**{"forward_token": True, **said, **more})


@asynccontextmanager
async def brokered(folder: Path, mount: AnyMount) -> AsyncIterator[Broker]:
    settings = Settings(
        server=ServerSettings(data=folder),
        mounts={"FAR": mount, "HERE": ArchiveMount()},
        auth=AuthSettings(
            enabled=True, token=TokenSettings(discovery="https://nobody", audience=("x",))
        ),
    )
    async with mounted(settings, Inbox("HILUM")) as found:
        yield Broker(found.mounts, found.destinations)


async def find(broker: Broker, who: Principal) -> None:
    query = Query(level=Level.STUDY, match={(0x0020000D,): uid(1)})
    async with broker.find(ops.Find(mount="FAR", who=who, query=query)) as matches:
        async for _ in matches:
            pass


async def retrieve(broker: Broker, who: Principal) -> None:
    operation = ops.Retrieve(mount="FAR", who=who, refs=(REF,))
    async with broker.retrieve(operation) as retrieval:
        async for instance in retrieval.instances:
            async for _ in instance.chunks:
                pass


async def describe(broker: Broker, who: Principal) -> None:
    operation = ops.Describe(mount="FAR", who=who, ref=REF, bulk_root="http://here")
    async with broker.describe(operation) as objects:
        async for _ in objects:
            pass


async def bulk(broker: Broker, who: Principal) -> None:
    operation = ops.Bulk(mount="FAR", who=who, ref=REF, path=(0x7FE00010,))
    async with broker.bulk(operation) as value:
        async for _ in value.chunks:
            pass


async def lend(broker: Broker, who: Principal) -> None:
    async with broker.lend(ops.Lend(mount="FAR", who=who, ref=REF)):
        pass


async def store(broker: Broker, who: Principal) -> None:
    contexts = ((ONE.sop_class_uid, ONE.transfer_syntax_uid),)
    async with broker.store(ops.Store(mount="FAR", who=who, contexts=contexts)) as session:
        stored = await session.store(ONE.instance())
        if isinstance(stored.failure, Unauthenticated):
            raise stored.failure


async def send(broker: Broker, who: Principal) -> None:
    operation = ops.Send(mount="FAR", who=who, refs=(REF,), destination="HERE")
    async with broker.send(operation) as progresses:
        async for progress in progresses:
            if isinstance(progress.reason, Unauthenticated):
                raise progress.reason


async def fetch(broker: Broker, who: Principal) -> None:
    fetches = broker.fetches(ops.Retrieve(mount="FAR", who=who, refs=(REF,)))
    job = fetches.fetch((REF,))
    async with asyncio.timeout(20):
        while not fetches.fetching(job.id).ended:  # noqa: ASYNC110 - it is asked, as clients do
            await asyncio.sleep(0.01)


async def echo(broker: Broker, who: Principal) -> None:
    await broker.echo(ops.Echo(mount="FAR", who=who))


EVERY = (echo, find, retrieve, describe, bulk, lend, store, send, fetch)


@pytest.mark.parametrize("kind", ["dicomweb", "dimse"])
@pytest.mark.parametrize("does", EVERY, ids=lambda each: each.__name__)
@pytest.mark.parametrize("spool", [True, False])
async def test_each_operation_goes_on_with_the_token_of_its_caller(
    kind: str, does: Callable[[Broker, Principal], Awaitable[None]], tmp_path: Path, *, spool: bool
) -> None:
    more = {"spool": spool, "max_retries": 0}
    async with far_side(kind, **more) as (far, mount), brokered(tmp_path, mount) as broker:
        for who in (ANNA, BOB):
            far.tokens.clear()
            with suppress(HilumError):  # what this far side lacks
                await does(broker, who)
            assert set(far.tokens) == {who.token}
        far.tokens.clear()
        for who in (NOBODY, CT):
            with pytest.raises(Unauthenticated):
                await does(broker, who)
        assert far.tokens == []


@pytest.mark.parametrize("kind", ["dicomweb", "dimse"])
async def test_callers_beside_each_other_are_not_mixed_up(kind: str, tmp_path: Path) -> None:
    async with far_side(kind, spool=True) as (far, mount), brokered(tmp_path, mount) as broker:
        people = [Principal(f"p{n}", Proof.TOKEN, token=f"{n}.x.x") for n in range(12)]

        async def asks(who: Principal) -> None:
            for does in (find, retrieve, lend, store):
                with suppress(HilumError):
                    await does(broker, who)

        async with asyncio.TaskGroup() as group:
            for who in people:
                group.create_task(asks(who))
        assert set(far.tokens) == {who.token for who in people}


@pytest.mark.parametrize("kind", ["dicomweb", "dimse"])
async def test_a_mount_that_passes_nothing_on_shows_nobodys_token(
    kind: str, tmp_path: Path
) -> None:
    async with (
        far_side(kind, forward_token=False) as (far, mount),
        brokered(tmp_path, mount) as broker,
    ):
        for does in (echo, find, store):
            with suppress(HilumError):
                await does(broker, ANNA)
        assert set(far.tokens) == {""}


async def test_a_send_that_was_resumed_has_no_token_any_more_and_says_so(tmp_path: Path) -> None:
    records = Records()
    operation = ops.Send(
        mount="FAR", who=Principal("anna", Proof.ADMITTED), refs=(REF,), destination="HERE"
    )
    records.kept["1.2"] = Transaction(uid="1.2", operation=operation, resource="studies")
    async with (
        far_side("dicomweb") as (far, mount),
        brokered(tmp_path, mount) as broker,
        open_sends(broker, records) as sends,
    ):
        async with asyncio.timeout(20):
            while not (await sends.status("1.2")).sending.state.is_final:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        ended = (await sends.status("1.2")).sending
        assert ended.state is State.FAILED
        assert "token" in ended.comment
        assert far.tokens == []


async def test_a_send_in_the_background_has_the_token_of_who_asked(tmp_path: Path) -> None:
    async with (
        far_side("dicomweb") as (far, mount),
        brokered(tmp_path, mount) as broker,
        open_sends(broker, Records()) as sends,
    ):
        operation = ops.Send(mount="FAR", who=ANNA, refs=(REF,), destination="HERE")
        await sends.begin("1.2", operation, "studies")
        async with asyncio.timeout(20):
            while not (await sends.status("1.2")).sending.state.is_final:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        assert (await sends.status("1.2")).sending.completed == 1
        assert set(far.tokens) == {"a.a.a"}
