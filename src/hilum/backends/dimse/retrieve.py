"""Retrieves from a peer by C-GET and C-MOVE (PS3.4 §C.4.2 and §C.4.3, PS3.7 §9.1.3 and §9.1.4)."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from hilum.backends.dimse.asking import PATIENCE, failure, putting, wanted
from hilum.codec import dicom_json
from hilum.codec.dimse import Command, Service
from hilum.codec.sop_class import (
    PATIENT_ROOT_GET,
    PATIENT_ROOT_MOVE,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
)
from hilum.core.backend import StoreSession
from hilum.model.errors import BackendFault, HilumError, NotOffered, TooLarge
from hilum.model.identity import Level, is_uid
from hilum.model.outcome import Progress
from hilum.model.query import Path
from hilum.upper_layer.association import Association
from hilum.upper_layer.messages import PENDING, Message, Responses
from hilum.upper_layer.receiving import receive, refuse

GET_CONTEXTS = (wanted(STUDY_ROOT_GET), wanted(PATIENT_ROOT_GET))
"""To be proposed for C-GET, beside those of `contexts.storage`."""
MOVE_CONTEXTS = (wanted(STUDY_ROOT_MOVE), wanted(PATIENT_ROOT_MOVE))
RELATIONAL = b"\1"
"""Extended negotiation that asks for relational retrieval (PS3.4 §C.5.2.1, §C.5.3.1)."""
FINISHED = frozenset((0x0000, 0xB000))
"""Statuses with which a retrieval went well, or as far as its counts say (PS3.4 Table C.4-2)."""
_FAILED_UIDS = "00080058"  # Failed SOP Instance UID List


class Retrieval(AsyncIterator[Progress]):
    """The progress, as it comes: with each response of the peer, and each instance.

    The last one has the true counts. For a C-GET they are those of what was kept here; what the
    peer counts beyond that has failed, whatever its status says.

    Attributes:
        progress: the last one.
        status: of the final response, once it has come.
        comment: Error Comment (0000,0902) of it; may hold anything, patient data too.
    """

    def __init__(
        self,
        association: Association,
        service: Service,
        responses: Responses,
        into: StoreSession | None = None,
    ) -> None:
        self._association = association
        self._service = service
        self._responses = responses
        self._into = into
        self._kept = 0
        self._warned = 0
        self._failed: list[str] = []
        self._reason: HilumError | None = None
        self._told = Progress()  # what the peer counts
        self._over = False
        self.progress = Progress()
        self.status: int | None = None
        self.comment = ""

    async def __anext__(self) -> Progress:
        """The next one.

        Raises:
            UnknownDestination, BadQuery, NotOffered, Forbidden, OutOfResources, BackendError:
                the peer failed as a whole, or is gone. When sub-operations failed, that is
                told by the counts and `Progress.reason`.
        """
        message = await anext(self._responses)
        if not message.command.is_response:
            await self._request(message)
        else:
            self._told = counts(message.command)
            if message.command.status not in PENDING:
                await self._finish(message)
        self.progress = self._counted()
        return self.progress

    async def _request(self, message: Message) -> None:
        """A request of the peer: a C-STORE sub-operation, or something out of place."""
        if self._into is None or message.command.command_field != Service.C_STORE:
            await refuse(self._association, message, NotOffered("not during a C-GET"))
            return
        stored = await receive(self._association, message, self._into)
        if stored.failure is not None:
            self._failed.append(stored.sop_instance_uid)
            self._reason = self._reason or stored.failure
        elif stored.warnings:
            self._warned += 1
        else:
            self._kept += 1

    async def _finish(self, message: Message) -> None:
        self._over = True
        self.status = message.command.status
        self.comment = message.command.error_comment or ""
        uids = await failed_uids(message)
        self._failed += [uid for uid in uids if uid not in set(self._failed)]
        if self.status not in FINISHED:
            error = failure(self._service, self.status)
            if not self._told.failed and not self._failed:
                self.progress = self._counted()
                raise error
            self._reason = self._reason or error
        progress = self._counted()
        if progress.failed and self._reason is None:
            if progress.failed > self._told.failed:
                text = "the peer counts more instances as sent than have come"
            else:
                text = f"sub-operations failed at the peer, which answered {self.status:04X}H"
            self._reason = BackendFault(text)

    def _counted(self) -> Progress:
        told, failed = self._told, len(self._failed)
        if self._into is None:
            return Progress(
                remaining=told.remaining,
                completed=told.completed,
                failed=max(told.failed, failed),
                warning=told.warning,
                failed_uids=tuple(self._failed),
                reason=self._reason,
            )
        here = self._kept + self._warned
        done = told.completed + told.failed + told.warning
        if self._over:  # while it runs, its counts may be ahead of what has come
            failed = max(failed, told.failed, done - here)
        return Progress(
            remaining=max((told.remaining or 0) + done - here - failed, 0),
            completed=self._kept,
            failed=failed,
            warning=self._warned,
            failed_uids=tuple(self._failed),
            reason=self._reason,
        )


def counts(command: Command) -> Progress:
    """What a response counts (PS3.7 Table 9.1-3); what it leaves out is 0."""
    return Progress(
        remaining=command.remaining or 0,
        completed=command.completed or 0,
        failed=command.failed or 0,
        warning=command.warning or 0,
    )


async def failed_uids(message: Message) -> list[str]:
    """The Failed SOP Instance UID List of a final response (PS3.4 §C.4.2.1.4.2).

    Raises:
        BackendFault: it has no end.
        BackendError: the association was lost.
    """
    try:
        data = await message.identifier()
        if not data:
            return []
        described = dicom_json.from_encoded(data, message.context.transfer_syntax)
    except TooLarge as error:
        raise BackendFault("the peer answered with an endless identifier") from error
    except HilumError:
        return []  # the counts tell how many failed; which ones cannot be read
    values = described.attributes.get(_FAILED_UIDS, {}).get("Value", [])
    return [uid for uid in values if isinstance(uid, str) and is_uid(uid)]


@asynccontextmanager
async def get(  # noqa: PLR0913 - a C-GET has that many sides
    association: Association,
    level: Level,
    keys: Mapping[Path, str],
    into: StoreSession,
    *,
    patient_root: bool = False,
    patience: float = PATIENCE,
) -> AsyncIterator[Retrieval]:
    """C-GET: the instances come on this association, one after another, and go into `into`.

    Leaving before the end cancels the retrieval at the peer.

    Args:
        association: on which `GET_CONTEXTS` and those of `contexts.storage` were proposed.
        level: of what is wanted.
        keys: path -> value: the unique key of the level, and of those above it.
        into: takes the instances while they stream in; what it says is what the peer is told.
        patient_root: of the two information models, the Patient Root one.
        patience: seconds that the peer gets to honour a C-CANCEL, before it is aborted.

    Raises:
        BadQuery: a key cannot be written.
        NotOffered: the peer does not accept the information model.
        BackendError: the association was lost.
    """
    uid = PATIENT_ROOT_GET if patient_root else STUDY_ROOT_GET
    asking = putting(association, Service.C_GET, uid, level, keys, patience=patience)
    async with asking as responses:
        yield Retrieval(association, Service.C_GET, responses, into)


@asynccontextmanager
async def move(  # noqa: PLR0913 - a C-MOVE has that many sides
    association: Association,
    level: Level,
    keys: Mapping[Path, str],
    destination: str,
    *,
    patient_root: bool = False,
    message_id: int | None = None,
    patience: float = PATIENCE,
) -> AsyncIterator[Retrieval]:
    """C-MOVE: the peer sends the instances to `destination`; leaving early cancels it.

    Args:
        association: on which `MOVE_CONTEXTS` were proposed.
        level: of what is wanted.
        keys: path -> value: the unique key of the level, and of those above it.
        destination: AE title, one that the peer knows.
        patient_root: of the two information models, the Patient Root one.
        message_id: of the request; None: one that is not in use on the association.
        patience: seconds that the peer gets to honour a C-CANCEL, before it is aborted.

    Raises:
        BadQuery: a key cannot be written.
        NotOffered: the peer does not accept the information model.
        BackendError: the association was lost.
    """
    uid = PATIENT_ROOT_MOVE if patient_root else STUDY_ROOT_MOVE
    asking = putting(
        association,
        Service.C_MOVE,
        uid,
        level,
        keys,
        destination=destination,
        message_id=message_id,
        patience=patience,
    )
    async with asking as responses:
        yield Retrieval(association, Service.C_MOVE, responses)
