"""The quirky PACS on our own upper layer: one event loop, every quirk."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

import anyio
from tests.quirks.holding import Held, failed_list, written
from tests.quirks.pacs import HOST, Asked, Pacs
from tests.quirks.switches import Cancel, Claims, Point, Quirks

from hilum.backends.dimse.store import plan
from hilum.codec import identifier
from hilum.codec.associate import AssociateAccept, AssociateRequest
from hilum.codec.dimse import A_DATA_SET, NO_DATA_SET, RESPONSE, Command, Service
from hilum.codec.identifier import PATIENT_ID
from hilum.codec.sop_class import FIND, PATIENT_ROOT, is_storage
from hilum.core.operations import Originator
from hilum.model.errors import BadQuery, HilumError
from hilum.model.instance import Instance
from hilum.model.outcome import Progress, Stored
from hilum.upper_layer.association import Association
from hilum.upper_layer.messages import Context, Message
from hilum.upper_layer.negotiation import Offer, answer
from hilum.upper_layer.receiving import instance_of, receive
from hilum.upper_layer.requestor import Remote, associate
from hilum.upper_layer.standing import Timeouts
from hilum.upper_layer.storing import store_on

SUCCESS, PENDING, WITHOUT_KEYS, CANCELLED = 0x0000, 0xFF00, 0xFF01, 0xFE00
SOME_FAILED, ALL_FAILED, WRONG, UNKNOWN_DESTINATION = 0xB000, 0xA702, 0xA900, 0xA801
PACE = 0.005  # seconds between two of endless pending responses

Sends = Callable[[Held], Awaitable[bool]]
"""Does one sub-operation; whether it went well."""


class _Stopped(Exception):
    """The peer's C-CANCEL was honoured."""


async def serve(pacs: Pacs, started: Callable[[int], None], stop: asyncio.Event) -> None:
    """Listen until `stop`; what is open then is cut."""
    running: set[anyio.CancelScope] = set()

    async def run(work: Coroutine[None, None, None], scope: anyio.CancelScope) -> None:
        with scope:
            await work
        running.discard(scope)

    def spawn(work: Coroutine[None, None, None]) -> None:
        scope = anyio.CancelScope()
        running.add(scope)
        tasks.create_task(run(work, scope))

    def made(association: Association) -> None:
        spawn(_Talk(pacs, association, spawn).run())

    async with asyncio.TaskGroup() as tasks:
        listener = await asyncio.get_running_loop().create_server(
            lambda: Association(
                requestor=False,
                max_pdu=pacs.quirks.max_pdu,
                timeouts=Timeouts(acse=30, message=60, idle=60),
                made=made,
            ),
            HOST,
            0,
        )
        started(listener.sockets[0].getsockname()[1])
        try:
            await stop.wait()
        finally:
            listener.close()
            for scope in tuple(running):
                scope.cancel()


@dataclass
class _Talk:
    """One association that came in."""

    pacs: Pacs
    association: Association
    spawn: Callable[[Coroutine[None, None, None]], None]
    _asked: asyncio.Event = field(default_factory=asyncio.Event)
    _due: asyncio.Event = field(default_factory=asyncio.Event)
    _is_spared: bool = False  # what is asked is not to break off
    _at: int = 0  # sub-operations done of the C-GET or C-MOVE

    @property
    def quirks(self) -> Quirks:
        return self.pacs.quirks

    async def run(self) -> None:
        association = self.association
        self.pacs.open += 1
        try:
            with anyio.CancelScope() as scope:
                request = await association.requested()
                association.on_lost(scope.cancel)
                await self._negotiate(request)
                while association.lost is None:
                    message = await association.next_request()
                    if message is None:
                        break
                    await self._serve(message)
                association.on_lost(None)
                await association.release()
        except HilumError:
            pass  # the peer has gone
        finally:
            association.on_lost(None)
            if association.lost is None:
                association.abort()
            with anyio.CancelScope(shield=True):
                await association.closed()
            self.pacs.open -= 1

    async def _negotiate(self, request: AssociateRequest) -> None:
        quirks = self.quirks
        self.pacs.calls.append(request)
        await self._break(Point.ASSOCIATE)
        if quirks.callers is not None and request.calling_ae_title not in quirks.callers:
            self.association.reject(1, 1, 3)
            await self.association.closed()
            return
        accept, contexts = answer(request, Offer(quirks.max_pdu))
        accept, contexts = _worse(accept, dict(contexts), quirks)
        self.association.accept(accept, contexts)

    async def _serve(self, message: Message) -> None:
        match message.command.command_field:
            case Service.C_ECHO:
                self.pacs.asked.append(Asked("C-ECHO", self.association.calling_ae_title))
                await self.answer(message, SUCCESS)
            case Service.C_STORE:
                self.pacs.asked.append(Asked("C-STORE", self.association.calling_ae_title))
                await self._store(message)
            case Service.C_FIND:
                self._is_spared = self.quirks.spares_queries
                await self._cancellable(message, self._find)
                self._is_spared = False
            case Service.C_GET | Service.C_MOVE:
                await self._cancellable(message, self._retrieve)
            case _:
                await self.answer(message, 0x0211)

    async def _store(self, message: Message) -> None:
        quirks, memory, done = self.quirks, self.pacs.holding.memory, len(self.pacs.taken)
        instance = instance_of(message)
        if Point.TAKING in (quirks.drops, quirks.stalls) and done == quirks.after:
            await anext(instance.chunks, b"")
            await self._break(Point.TAKING, done)
        if quirks.store_status and done >= quirks.after:
            assert message.data is not None
            await message.data.drain()
            await self.answer(message, quirks.store_status)
            return
        if Point.TAKEN in (quirks.drops, quirks.stalls) and done == quirks.after:
            await memory.store(instance)
            await self._break(Point.TAKEN, done)
        stored = await receive(self.association, message, self)
        assert stored.failure is None, stored.failure

    async def store(self, instance: Instance, /) -> Stored:
        """Keep it, and note it before its sender is told: who hears of it may look at once."""
        stored = await self.pacs.holding.memory.store(instance)
        self.pacs.taken.append(stored.sop_instance_uid)
        return stored

    async def _cancellable(
        self, message: Message, handle: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Run a handler, and do with a C-CANCEL what the quirks say."""
        association, quirks = self.association, self.quirks
        number = message.command.message_id or 0
        asked, due = asyncio.Event(), asyncio.Event()

        def cancel() -> None:
            self.pacs.cancels += 1
            if quirks.cancel is not Cancel.IGNORED:
                asked.set()
                asyncio.get_running_loop().call_later(quirks.cancel_delay, due.set)

        self._asked, self._due = asked, due
        association.on_cancel(number, cancel)
        try:
            await handle(message)
        except _Stopped:
            if quirks.cancel is Cancel.ABORTED:
                association.abort()
            else:
                await self.answer(message, CANCELLED)
        finally:
            association.on_cancel(number, None)

    async def _pause(self) -> None:
        """Let others run; leave when a C-CANCEL is to be acted on.

        Raises:
            _Stopped: it is.
        """
        await asyncio.sleep(self.quirks.slow)
        if self._due.is_set():
            raise _Stopped

    async def _end(self) -> None:
        """Before the final response: a C-CANCEL that came in time is not overtaken by it."""
        await self._pause()
        if self._asked.is_set():
            await self._due.wait()
            raise _Stopped
        await self._break(Point.FINAL)

    async def _break(self, point: Point, done: int | None = None) -> None:
        """Cut the connection, or fall silent, where the quirks say so."""
        quirks = self.quirks
        if (done is not None and done != quirks.after) or self._is_spared:
            return
        if quirks.drops is point:
            self.association.cut()
            await asyncio.Event().wait()  # until the connection is lost
        if quirks.stalls is point:
            await asyncio.Event().wait()

    async def _find(self, message: Message) -> None:
        context, quirks = message.context, self.quirks
        says = identifier.parse(await message.identifier(), context.transfer_syntax)
        patient_root = context.abstract_syntax in PATIENT_ROOT
        calling = self.association.calling_ae_title
        self.pacs.asked.append(Asked("C-FIND", calling, says.level, says.keys))
        await self._break(Point.REQUEST)
        try:
            found = await self.pacs.holding.matches(says, quirks, patient_root=patient_root)
        except BadQuery:
            await self._pause()
            await self.answer(message, WRONG)
            return
        told = quirks.tells_ignored and self.pacs.holding.ignored(says, quirks)
        done = 0
        while True:
            for each in found:
                await self._pause()
                await self._break(Point.BETWEEN, done)
                data = written(says, each, quirks, context.transfer_syntax, self.pacs.aet)
                status = WITHOUT_KEYS if told else PENDING
                await self.answer(message, status, self._broken(data, Point.ANSWER, done))
                done += 1
                self.pacs.answers += 1
            if not quirks.endless or not found:
                break
            await asyncio.sleep(PACE)
        await self._end()
        await self.answer(message, SUCCESS)

    def _broken(self, data: bytes, point: Point, done: int) -> bytes | AsyncIterator[bytes]:
        """The data, or what breaks off in its middle."""
        quirks = self.quirks
        if point not in (quirks.drops, quirks.stalls) or done != quirks.after:
            return data
        return self._half(self.association, data, point)

    async def _half(
        self, association: Association, data: bytes, point: Point
    ) -> AsyncIterator[bytes]:
        half = len(data) // 2 & ~1
        yield data[:half]
        yield data[half : half + 2]  # so that the first half leaves
        await asyncio.sleep(0.05)
        if self.quirks.drops is point:
            association.cut()
        await asyncio.Event().wait()

    async def _retrieve(self, message: Message) -> None:
        context, quirks = message.context, self.quirks
        is_move = message.command.command_field == Service.C_MOVE
        says = identifier.parse(await message.identifier(), context.transfer_syntax)
        name = "C-MOVE" if is_move else "C-GET"
        to = message.command.move_destination or ""
        calling = self.association.calling_ae_title
        self.pacs.asked.append(Asked(name, calling, says.level, says.keys, to))
        await self._break(Point.REQUEST)
        try:
            patient_root = context.abstract_syntax in PATIENT_ROOT
            refs = identifier.to_refs(says, patient_root=patient_root)
        except BadQuery:
            await self.answer(message, WRONG)
            return
        if patient_root and not quirks.relational and not says.keys.get((PATIENT_ID,)):
            await self.answer(message, WRONG)
            return
        if is_move and to not in self.pacs.destinations:
            await self.answer(message, UNKNOWN_DESTINATION)
            return
        held = [] if quirks.nothing else await self.pacs.holding.chosen(refs, quirks)
        if not held and quirks.unknown:
            await self.answer(message, quirks.unknown)
            return
        while quirks.endless:
            await self._pause()
            await self.answer(message, PENDING, progress=Progress(remaining=max(len(held), 1)))
            await asyncio.sleep(PACE)
        if is_move and quirks.early_success is not None:
            await self._end()
            await self.answer(message, SUCCESS, progress=Progress(completed=len(held)))
            self.spawn(self._later(message, held))
            return
        if is_move:
            async with self._to(message, held) as sends:
                progress = await self._all(message, held, sends)
        else:
            progress = await self._all(message, held, self._here)
        await self._end()
        await self._finish(message, progress)

    async def _all(self, message: Message | None, held: Sequence[Held], sends: Sends) -> Progress:
        """Do the sub-operations, telling of each."""
        quirks, failed, completed = self.quirks, list[str](), 0
        good = len(held) - quirks.fails
        for at, each in enumerate(held):
            self._at = at
            if message is not None:
                await self._pause()
                await self._break(Point.BETWEEN, at)
            else:
                await asyncio.sleep(quirks.slow)
            if at < good and await sends(each):
                completed += 1
                self.pacs.sent.append(each.sop_instance_uid)
            else:
                failed.append(each.sop_instance_uid)
            left = len(held) - at - 1
            if message is not None and left and not quirks.silent:
                told = Progress(remaining=left, completed=completed, failed=len(failed))
                await self.answer(message, PENDING, progress=self._claimed(told))
        return Progress(completed=completed, failed=len(failed), failed_uids=tuple(failed))

    def _claimed(self, progress: Progress) -> Progress:
        if self.quirks.claims is not Claims.ALL:
            return progress
        return replace(progress, completed=progress.completed + progress.failed, failed=0)

    async def _finish(self, message: Message, progress: Progress) -> None:
        status, data = SUCCESS, None
        if progress.failed and self.quirks.claims is Claims.TRUTH:
            status = SOME_FAILED if progress.completed else ALL_FAILED
            data = failed_list(progress.failed_uids, message.context.transfer_syntax)
        await self.answer(message, status, data, self._claimed(progress))

    async def _here(self, held: Held) -> bool:
        """One sub-operation of a C-GET."""
        stored = await store_on(self.association, self._instance(self.association, held))
        if self.association.lost is not None:
            raise self.association.lost
        return stored.failure is None

    def _instance(self, association: Association, held: Held) -> Instance:
        """The instance, or what breaks off in its middle."""
        quirks = self.quirks
        instance = held.instance()
        if Point.INSTANCE in (quirks.drops, quirks.stalls) and self._at == quirks.after:
            chunks = self._half(association, held.data, Point.INSTANCE)
            return replace(instance, chunks=chunks)
        return instance

    @asynccontextmanager
    async def _to(self, message: Message, held: Sequence[Held]) -> AsyncIterator[Sends]:
        """The sub-operations of a C-MOVE, on associations of their own."""
        quirks, asked = self.quirks, message.command
        host, port = self.pacs.destinations[asked.move_destination or ""]
        number = (asked.message_id or 0) + (1000 if quirks.wrong_message_id else 0)
        originator = Originator(self.association.calling_ae_title, number & 0xFFFF)
        remote = Remote(
            host=host,
            port=port,
            calling=quirks.store_title or self.pacs.aet,
            called=asked.move_destination or "",
            timeouts=Timeouts(acse=10, message=30),
        )
        needs = [(each.sop_class_uid, each.transfer_syntax_uid) for each in held]
        async with AsyncExitStack() as stack:
            opened: Association | None = None

            async def send(each: Held) -> bool:
                nonlocal opened
                try:
                    if opened is None or opened.lost is not None:
                        wanted, _ = plan((each.sop_class_uid, each.transfer_syntax_uid), needs)
                        opened = await stack.enter_async_context(associate(remote, wanted))
                    instance = self._instance(opened, each)
                    told = None if quirks.no_originator else originator
                    with anyio.CancelScope() as scope:
                        opened.on_lost(scope.cancel)
                        try:
                            stored = await store_on(opened, instance, told)
                        finally:
                            opened.on_lost(None)
                        return stored.failure is None
                except HilumError:
                    pass
                return False

            yield send

    async def _later(self, message: Message, held: Sequence[Held]) -> None:
        """The sub-operations after an early Success."""
        await asyncio.sleep(self.quirks.early_success or 0)
        async with self._to(message, held) as sends:
            await self._all(None, held, sends)

    async def answer(
        self,
        message: Message,
        status: int,
        data: bytes | AsyncIterator[bytes] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """One response."""
        asked = message.command
        response = Command(
            command_field=asked.command_field | RESPONSE,
            message_id_responded_to=asked.message_id,
            data_set_type=NO_DATA_SET if data is None else A_DATA_SET,
            affected_sop_class_uid=asked.affected_sop_class_uid,
            status=status,
        )
        if progress is not None:
            response = replace(
                response,
                remaining=progress.remaining if status == PENDING else None,
                completed=progress.completed,
                failed=progress.failed,
                warning=progress.warning,
            )
        await self.association.send(message.context, response, data)


def _worse(
    accept: AssociateAccept, contexts: dict[int, Context], quirks: Quirks
) -> tuple[AssociateAccept, dict[int, Context]]:
    """The answer to an association request, with what the quirks take away."""
    for number, each in tuple(contexts.items()):
        if each.abstract_syntax in quirks.refuses or (
            quirks.syntaxes is not None
            and is_storage(each.abstract_syntax)
            and each.transfer_syntax not in quirks.syntaxes
        ):
            del contexts[number]
        elif quirks.no_roles and each.we_may_ask:
            contexts[number] = replace(each, we_may_ask=False, peer_may_ask=True)
    answered = tuple(
        each if each.result or each.id in contexts else replace(each, result=3)
        for each in accept.contexts
    )
    told = accept.negotiation
    extended = dict(told.extended)
    agrees = quirks.relational if quirks.agrees is None else quirks.agrees
    for uid in FIND & extended.keys():
        extended[uid] = bytes((agrees,)) + extended[uid][1:]
    roles = {} if quirks.no_roles else told.roles
    negotiation = replace(told, roles=roles, extended=extended)
    return replace(accept, contexts=answered, negotiation=negotiation), contexts
