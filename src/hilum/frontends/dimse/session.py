"""What the handler of one DIMSE request works with."""

import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

from hilum.codec.dimse import A_DATA_SET, NO_DATA_SET, RESPONSE, Command
from hilum.config.limits import LimitSettings
from hilum.core.backend import StoreSession
from hilum.core.broker import Broker
from hilum.core.operations import Originator, Store
from hilum.model.audit import Event, Kind, Outcome
from hilum.model.errors import BackendError, OutOfResources
from hilum.model.outcome import Progress
from hilum.model.principal import Principal
from hilum.net.inbox import Caller, Inbox
from hilum.net.rates import Rates
from hilum.upper_layer.association import Association
from hilum.upper_layer.messages import Message

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Session:
    """One association that we accepted, and what it may do.

    Attributes:
        mount: AE title of the mount that was called; of none where only `inbox` receives there.
        ae_title: the one that was called, as it is written in answers.
        request_id: names the association in logs.
        asked: names the message that is being answered, too.
        inbox: where our own C-MOVEs wait for what comes.
        rates: how much the caller may ask.
        counted: bytes of the association that were counted for that.
        only_expected: why it may bring what they wait for, and nothing else; "" when it may more.
        token: that was shown; None: none.
        doubt: why it may not, since its token is good no more; "" as long as it is.
        relational: SOP classes for which relational queries or retrieval were agreed on.
        fuzzy: SOP classes for which fuzzy matching of names was agreed on.
        stack: what lives as long as the association.
    """

    association: Association
    broker: Broker
    mount: str
    ae_title: str
    who: Principal
    request_id: str
    asked: str = ""
    inbox: Inbox = field(default_factory=Inbox)
    rates: Rates = field(default_factory=lambda: Rates(LimitSettings()))
    counted: int = 0
    only_expected: str = ""
    token: str | None = field(default=None, repr=False)
    doubt: str = ""
    relational: frozenset[str] = frozenset()
    fuzzy: frozenset[str] = frozenset()
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _stores: StoreSession | None = None
    _edition: int = 0
    _told: set[tuple[str, type]] = field(default_factory=set)

    @property
    def barred(self) -> str:
        """Why it may only bring what is waited for; "" when it may more."""
        return self.doubt or self.only_expected

    @property
    def is_mount(self) -> bool:
        """Whether a mount was called, not only a receiver of `inbox`."""
        return self.mount in self.broker.mounts

    @property
    def is_storing(self) -> bool:
        """Whether it has begun to store in the mount, which it then may have to its end."""
        return self._stores is not None

    def caller(self, originator: Originator | None) -> Caller:
        """Who brings an instance."""
        association = self.association
        return Caller(
            called=self.ae_title,
            calling=association.calling_ae_title,
            address=association.address,
            originator=originator,
        )

    def failed(self, service: str, error: Exception) -> None:
        """One line for whoever runs the broker; of each service, once for each kind of error."""
        kind = (service, type(error))
        if kind not in self._told:
            self._told.add(kind)
            is_ours = isinstance(error, (BackendError, OutOfResources))
            level = logging.WARNING if is_ours else logging.INFO
            who = self.association.peer
            log.log(level, "%s %s: a %s failed: %s", self.asked, who, service, error)

    def refused(self, why: str) -> None:
        """Tell the audit of a request that is not allowed."""
        event = Event(
            kind=Kind.RESTRICTED,
            who=self.who,
            mount=self.mount,
            request_id=self.request_id,
            outcome=Outcome.MINOR,
            why=why,
        )
        self.broker.audits(event)

    async def stores(self, originator: Originator | None) -> StoreSession:
        """The way into the mount, opened once for the association.

        Raises:
            HilumError: the mount takes nothing, or cannot be reached.
        """
        if self._stores is not None and self._edition == self.broker.edition:
            return self._stores
        contexts = self.association.contexts.values()
        operation = Store(
            mount=self.mount,
            who=self.who,
            request_id=self.request_id,
            contexts=tuple((each.abstract_syntax, each.transfer_syntax) for each in contexts),
            originator=originator,
        )
        if self._stores is None:
            opened = self.broker.store(operation)
            self._stores = await self.stack.enter_async_context(opened)
        else:  # with a mount that is there no more it goes on, but not without the right
            self.broker.authorise(operation)
        self._edition = self.broker.edition
        return self._stores

    def response(
        self, message: Message, status: int, *, has_data: bool, comment: str | None = None
    ) -> Command:
        """The command of a response to `message`; the same for many of them."""
        asked = message.command
        return Command(
            command_field=asked.command_field | RESPONSE,
            message_id_responded_to=asked.message_id,
            data_set_type=A_DATA_SET if has_data else NO_DATA_SET,
            affected_sop_class_uid=asked.affected_sop_class_uid or message.context.abstract_syntax,
            affected_sop_instance_uid=asked.affected_sop_instance_uid,
            status=status,
            error_comment=comment,
        )

    async def answer(  # noqa: PLR0913 - a response has that many parts
        self,
        message: Message,
        status: int,
        *,
        data: bytes | None = None,
        comment: str | None = None,
        progress: Progress | None = None,
        with_remaining: bool = True,
        soon: bool = False,
    ) -> None:
        """Send one response to `message`, in one write.

        Args:
            message: the request.
            status: Status (0000,0900).
            data: the identifier, where there is one.
            comment: Error Comment (0000,0902); free of patient data.
            progress: counts of sub-operations, where there are any.
            with_remaining: tell of the remaining ones too; a final response does only when it
                was cancelled (PS3.7 §9.1.4.1.7).
            soon: it may wait a moment for others, and leave with them.
        """
        response = self.response(message, status, has_data=data is not None, comment=comment)
        if progress is not None:
            response = replace(
                response,
                remaining=progress.remaining if with_remaining else None,
                completed=progress.completed,
                failed=progress.failed,
                warning=progress.warning,
            )
        await self.association.send(message.context, response, data, soon=soon)
