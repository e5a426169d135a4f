"""The DIMSE door: accepts associations and hands each request to its service."""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

import anyio

from hilum.codec.associate import AssociateAccept, AssociateRequest
from hilum.codec.dimse import Service
from hilum.codec.verdict import Dimse
from hilum.config.limits import LimitSettings
from hilum.config.schema import Settings
from hilum.core.audit import unspoken
from hilum.core.broker import Broker
from hilum.core.correlation import Correlation, within
from hilum.core.login import OPEN, Login
from hilum.frontends.dimse import limits
from hilum.frontends.dimse.admission import TRANSIENT, Admission, Refusal
from hilum.frontends.dimse.echo import echo
from hilum.frontends.dimse.find import find
from hilum.frontends.dimse.listeners import opened, stop_accepting
from hilum.frontends.dimse.retrieve import get, move
from hilum.frontends.dimse.session import Session
from hilum.frontends.dimse.store import store
from hilum.model.audit import Event, Kind, Outcome
from hilum.model.errors import HilumError
from hilum.model.principal import Principal
from hilum.net.crowd import Crowd, Nobody
from hilum.net.entrance import Entrance
from hilum.net.fair import Fair, Meter, fault, turn
from hilum.net.inbox import Inbox
from hilum.net.rates import Rates
from hilum.net.threshold import Threshold
from hilum.net.tls import Speaks
from hilum.net.worker import Worker
from hilum.upper_layer.association import Association
from hilum.upper_layer.messages import Message
from hilum.upper_layer.negotiation import FUZZY, RELATIONAL, answer
from hilum.upper_layer.standing import Timeouts

log = logging.getLogger(__name__)

Handler = Callable[[Session, Message], Awaitable[None]]
HANDLERS: Mapping[int, Handler] = MappingProxyType(
    {
        Service.C_ECHO: echo,
        Service.C_STORE: store,
        Service.C_FIND: find,
        Service.C_GET: get,
        Service.C_MOVE: move,
    }
)
FOR_ALL = frozenset((Service.C_ECHO, Service.C_STORE))
"""What who was let in as the PACS of a mount may ask, to bring what a C-MOVE of ours waits for."""
UNRECOGNIZED_OPERATION = 0x0211  # PS3.7 §C.5.22
CROWD = 4  # times max_associations: the most connections, those included that say nothing yet
_LOOK = 0.05  # seconds


async def serve(  # noqa: PLR0913 - a door has that many sides
    broker: Broker,
    settings: Settings,
    *,
    inbox: Inbox | None = None,
    started: Callable[[str, int], None],
    stop: asyncio.Event,
    answered: asyncio.Event | None = None,
    worker: Worker | None = None,
    tls: Speaks | None = None,
    login: Login = OPEN,
    rates: Rates | None = None,
    changes: list[Callable[[Settings, Login], None]] | None = None,
    fair: Fair | None = None,
) -> None:
    """Accept associations until `stop`; what runs then gets `graceful_shutdown` to end.

    A PACS that is asked to bring something is let in up to the end of that.

    Args:
        broker: runs the operations.
        settings: whom to let in, and how long to wait for whom.
        inbox: our own C-MOVEs, whose instances come through this door; None: there are none.
        started: called with host and port, of the first one, once it listens.
        stop: set when the service stops.
        answered: set, then, when the other doors have answered all that they were asked; None:
            there are none.
        worker: which of several processes this is, that share the port; None: there is one.
        tls: to speak TLS with, at the door that does; not where there are other workers.
        login: how it is known who calls.
        rates: how much each may ask; None: any amount.
        changes: to which is added what takes other settings and another login while it is open.
        fair: counts what is done for whom, at all doors together.

    Raises:
        OSError: the port cannot be bound.
    """
    crowd = Nobody() if worker is None else worker.crowd
    door = _Door(broker, settings, Inbox() if inbox is None else inbox, crowd, login)
    door.rates = rates or door.rates
    door.fair = fair or door.fair
    if changes is not None:
        changes.append(door.become)
    if worker is not None:
        door.left = worker.doors["dimse"].left
    listeners = await opened(settings, worker, tls, door.association, unspoken(broker.audits))
    async with asyncio.TaskGroup() as tasks:
        door.open(tasks)
        try:
            for listener in listeners:
                if isinstance(listener, Threshold):
                    listener.serve(tasks)
                elif isinstance(listener, Entrance):
                    whose = None if worker is None else worker.whose
                    patience = door.settings.dimse.acse_timeout
                    listener.serve(tasks, lambda _: door.association(), whose, patience)
                else:
                    await listener.start_serving()
            host, port = listeners[0].sockets[0].getsockname()[:2]
            started(host, port)
            await stop.wait()
            until = asyncio.get_running_loop().time() + door.settings.dimse.graceful_shutdown
            door.close()
            await door.brought(answered, until)
            await stop_accepting(listeners)
        finally:
            for listener in listeners:
                listener.close()
            door.shut()
        await door.drained(until)


class _Door:
    """All associations of the DIMSE frontend."""

    def __init__(
        self, broker: Broker, settings: Settings, inbox: Inbox, crowd: Crowd, login: Login
    ) -> None:
        self._broker = broker
        self._inbox = inbox
        self._crowd = crowd
        self.left: Callable[[], None] = lambda: None  # called when a connection has ended
        self.rates = Rates(LimitSettings())
        self.fair = Fair()
        self._open: set[Association] = set()  # all connections
        self._accepted: set[Association] = set()  # those the limits are about
        self._busy: set[Association] = set()
        self._numbers = itertools.count(1)
        self._empty = asyncio.Event()
        self._empty.set()
        self._closing = self._shut = False
        self.become(settings, login)

    def become(self, settings: Settings, login: Login) -> None:
        """Let in by other settings from now on. Whoever is in stays."""
        dimse = settings.dimse
        self.settings = settings
        self._timeouts = Timeouts(
            acse=dimse.acse_timeout, message=dimse.message_timeout, idle=dimse.idle_timeout
        )
        self._admission = Admission(self._broker, settings, self._inbox, login)

    def open(self, tasks: asyncio.TaskGroup) -> None:
        """Serve associations in `tasks` from now on; none may be made before."""
        self._serving = tasks

    def association(self) -> Association:
        """A new one, for a connection that is just being accepted."""
        return Association(
            requestor=False,
            max_pdu=self.settings.dimse.max_pdu,
            timeouts=self._timeouts,
            made=self._made,
        )

    def _made(self, association: Association) -> None:
        if self._shut or (self._closing and not self._inbox.retrievals):
            # it came just as the door closed
            association.cut()
            self.left()
            return
        self._open.add(association)
        self._empty.clear()
        if len(self._open) > CROWD * self.settings.dimse.max_associations:
            association.fault = "more connections than can even be told that they are too many"
            association.cut()
        account = self.fair.account(association.address)
        association.counts = account.spent
        self._serving.create_task(Meter(self.fair, account).counted(self._handle(association)))

    def close(self) -> None:
        """Let in only who brings what was asked for, and send home who waits for nothing."""
        self._closing = True
        for association in self._open - self._busy:
            if not self._may_bring(association):
                association.abort("the service stops")

    async def brought(self, answered: asyncio.Event | None, until: float) -> None:
        """Wait while somebody waits for what a PACS brings, in the time of the event loop."""
        loop = asyncio.get_running_loop()
        while self._inbox.retrievals and loop.time() < until:
            if not self._busy and (answered is None or answered.is_set()):
                return  # what still runs, nobody waits for
            await asyncio.sleep(_LOOK)

    def shut(self) -> None:
        """Let nobody in any more."""
        self._shut = True
        self.close()

    async def drained(self, until: float) -> None:
        """Wait for the associations at work; cut off those that take longer."""
        try:
            async with asyncio.timeout_at(until):
                await self._empty.wait()
        except TimeoutError:
            for association in list(self._open):
                association.abort("the service stops")

    def _may_bring(self, association: Association) -> bool:
        """Whether, as the service stops, something may still come by an association."""
        if self._shut or not self._inbox.retrievals:
            return False
        called, calling = association.called_ae_title, association.calling_ae_title
        return not calling or self._inbox.admits(called, calling, association.address)

    async def _handle(self, association: Association) -> None:
        number = next(self._numbers)
        request_id = f"A{number}"
        try:
            with anyio.CancelScope() as scope, within(Correlation(request_id)):
                await self._negotiate(association, request_id, scope)
        except Exception:
            log.exception("%s %s: unexpected fault", request_id, association.peer)
            association.abort("an unexpected fault")
        finally:
            association.on_lost(None)
            if association.lost is None:
                association.abort("its handler was cut off")
            with anyio.CancelScope(shield=True):
                await association.closed()
            if association in self._accepted:
                self._accepted.remove(association)
                self._crowd.leave(association.address)
            self._open.discard(association)
            self.left()
            if not self._open:
                self._empty.set()
            if association.fault is not None:
                fault()
                log.warning("%s %s: %s", request_id, _who(association), association.fault)
            else:
                log.info("%s %s: %s", request_id, _who(association), association.lost)

    async def _negotiate(
        self, association: Association, request_id: str, scope: anyio.CancelScope
    ) -> None:
        try:
            request = await association.requested()
        except HilumError:
            return  # told in the one line at the end
        await turn()
        who, kind = Principal(), Kind.NODE
        refusal = self._admission.refusal(association, request) or self._full(association, request)
        if refusal is None and not self._admission.is_expected(association, request):
            refusal = limits.associates(self.rates, association.address)
        if refusal is None:
            who, refusal = await self._admission.caller(association, request)
            kind = Kind.LOGIN
            if association.lost is not None:
                return
            refusal = refusal or self._full(association, request)  # others came meanwhile
        if refusal is not None:
            result, source, reason, why = refusal
            association.fault = f"rejected: {why}"
            self._refused(association, request_id, kind, why)
            association.reject(result, source, reason)
            return
        accept, contexts = answer(request, self._admission.offer(request))
        accept = self._admission.told(request, accept)
        self._accepted.add(association)
        self._crowd.enter(association.address)
        association.accept(accept, contexts)
        called = request.called_ae_title
        may_ask = self._admission.may_ask(request, who)
        session = Session(
            association=association,
            broker=self._broker,
            mount=self._broker.mounts.meant(called),
            ae_title=called,
            who=who,
            request_id=request_id,
            inbox=self._inbox,
            rates=self.rates,
            only_expected="" if may_ask else "it may only bring what a C-MOVE of ours waits for",
            token=self._admission.token(request) if may_ask else None,
            relational=_agreed(accept, RELATIONAL),
            fuzzy=_agreed(accept, FUZZY),
        )
        log.info(
            "%s %s: accepted %d of %d contexts",
            request_id, _who(association), len(contexts), len(request.contexts),
        )  # fmt: skip
        association.on_lost(scope.cancel)
        async with session.stack:
            await self._serve(session)
        association.on_lost(None)
        await association.release()

    async def _serve(self, session: Session) -> None:
        association = session.association
        while not self._closing or self._may_bring(association):
            try:
                message = await association.next_request()
            except HilumError:
                return  # told in the one line at the end
            if message is None:
                return
            self._busy.add(association)
            session.asked = f"{session.request_id}.{message.command.message_id or 0}"
            try:
                await turn()
                with within(Correlation(session.asked)):
                    await self._run(session, message)
            finally:
                self._busy.discard(association)
        association.abort("the service stops")

    async def _run(self, session: Session, message: Message) -> None:
        service = message.command.command_field
        handler = HANDLERS.get(service)
        refusal = None
        session.doubt = await self._admission.doubt(session.who, session.token)
        if handler is None or not message.context.peer_may_ask:
            refusal = UNRECOGNIZED_OPERATION
        elif service not in FOR_ALL and not session.is_mount:
            refusal = Dimse.SOP_CLASS_NOT_SUPPORTED
        elif (
            session.barred
            if service not in FOR_ALL
            else session.doubt and service != Service.C_STORE
        ):
            refusal = Dimse.NOT_AUTHORIZED
        else:
            refusal = limits.asks(session, service)
        if refusal == Dimse.NOT_AUTHORIZED:
            session.refused(session.barred)
        if handler is None or refusal is not None:
            if message.data is not None:
                await message.data.drain()
            await session.answer(message, refusal or UNRECOGNIZED_OPERATION)
            return
        try:
            await handler(session, message)
        except HilumError:
            if session.association.lost is None:
                raise
        finally:
            limits.spent(session)

    def _refused(self, association: Association, request_id: str, kind: Kind, why: str) -> None:
        """Tell the audit of somebody who does not come in."""
        calling = association.calling_ae_title
        self._broker.audits(
            Event(
                kind=kind,
                who=Principal(ae_title=calling, address=association.address),
                mount=association.called_ae_title,
                request_id=request_id,
                outcome=Outcome.MINOR,
                why=why,
            )
        )

    def _full(self, association: Association, request: AssociateRequest) -> Refusal | None:
        """Why there is no room for one more."""
        dimse = self.settings.dimse
        others, others_from_there = self._crowd.elsewhere(association.address)
        if len(self._accepted) + others >= dimse.max_associations:
            return TRANSIENT, 3, 2, "dimse.max_associations is reached"
        from_there = sum(each.address == association.address for each in self._accepted)
        if from_there + others_from_there >= dimse.max_associations_per_peer:
            return TRANSIENT, 3, 2, "dimse.max_associations_per_peer is reached"
        is_expected = self._admission.is_expected(association, request)
        if self._closing and not (is_expected and self._may_bring(association)):
            return TRANSIENT, 3, 1, "the service stops"
        return None


def _agreed(accept: AssociateAccept, at: int) -> frozenset[str]:
    """The SOP classes for which that byte of extended negotiation was agreed on."""
    extended = accept.negotiation.extended
    return frozenset(uid for uid, flags in extended.items() if flags[at : at + 1] == b"\1")


def _who(association: Association) -> str:
    calling, called = association.calling_ae_title, association.called_ae_title
    return f"{association.peer} {calling!r} to {called!r}" if calling else association.peer
