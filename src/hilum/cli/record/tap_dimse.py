"""What do two systems say to each other over DIMSE? Bytes of both in, events out."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from hilum.cli.record import datasets
from hilum.cli.record.disguise import Disguise
from hilum.cli.record.events import Say
from hilum.codec import associate, dimse, pdu
from hilum.codec.associate import AssociateAccept, AssociateRequest, Negotiation
from hilum.codec.dimse import Command
from hilum.codec.pdu import Fragment, PduError, PduReader

REQUESTOR, ACCEPTOR = "requestor", "acceptor"
_UNREAD: Final = "it cannot be read, or is too long"


class DimseTap:
    """One connection.

    Args:
        disguise: takes out whom it is about.
        say: writes an event.
    """

    def __init__(self, disguise: Disguise, say: Say) -> None:
        self._say = say
        self._syntaxes: dict[int, str] = {}
        self._sides = {
            side: _Side(side, disguise, say, self._syntaxes) for side in (REQUESTOR, ACCEPTOR)
        }

    def feed(self, side: str, data: bytes) -> None:
        """Take in what one of them has sent."""
        self._sides[side].feed(data)

    def close(self, side: str) -> None:
        """It sends no more."""
        self._say("closed", side)


class _Side:
    """What one of the two sends."""

    def __init__(self, side: str, disguise: Disguise, say: Say, syntaxes: dict[int, str]) -> None:
        self._side = side
        self._disguise = disguise
        self._say = say
        self._syntaxes = syntaxes
        self._reader: PduReader | None = PduReader(0)
        self._command = bytearray()
        self._asked: tuple[int, Command] | None = None
        self._data = bytearray()
        self._size = 0

    def feed(self, data: bytes) -> None:
        if self._reader is None:
            return
        try:
            for event in self._reader.feed(data):
                self._take(event)
        except PduError as error:
            self._reader = None
            self._say("broken", self._side, why=str(error))

    def _take(self, event: pdu.Event) -> None:
        match event:
            case Fragment():
                self._fragment(event)
            case pdu.Associate():
                self._associate(event)
            case pdu.Rejected(result, source, reason):
                self._say("A-ASSOCIATE-RJ", self._side, reason=[result, source, reason])
            case pdu.ReleaseRequested():
                self._say("A-RELEASE-RQ", self._side)
            case pdu.ReleaseAnswered():
                self._say("A-RELEASE-RP", self._side)
            case pdu.Aborted(source, reason):
                self._say("A-ABORT", self._side, reason=[source, reason])

    def _associate(self, event: pdu.Associate) -> None:
        says = associate.parse(event)
        negotiation = _negotiated(says.negotiation)
        if isinstance(says, AssociateRequest):
            proposed = [
                {"id": e.id, "abstract": e.abstract_syntax, "transfer": [*e.transfer_syntaxes]}
                for e in says.contexts
            ]
            titles = {"called": says.called_ae_title, "calling": says.calling_ae_title}
            self._say("A-ASSOCIATE-RQ", self._side, **titles, contexts=proposed, **negotiation)
        elif isinstance(says, AssociateAccept):
            answered = [
                {"id": e.id, "result": int(e.result), "transfer": e.transfer_syntax}
                for e in says.contexts
            ]
            self._syntaxes.update(
                (each.id, each.transfer_syntax) for each in says.contexts if not each.result
            )
            self._say("A-ASSOCIATE-AC", self._side, contexts=answered, **negotiation)

    def _fragment(self, piece: Fragment) -> None:
        if piece.is_command:
            self._command += piece.data
            if piece.last:
                command = dimse.parse(bytes(self._command))
                self._command.clear()
                self._asked = (piece.context_id, command)
                if not command.has_data:
                    self._message(None)
            return
        self._size += len(piece.data)
        if self._size <= datasets.MOST:
            self._data += piece.data
        if piece.last:
            self._message(bytes(self._data))
            self._data.clear()
            self._size = 0

    def _message(self, data: bytes | None) -> None:
        if self._asked is None:
            return
        (context, command), self._asked = self._asked, None
        told: dict[str, Any] = {}
        if data is not None:
            syntax = self._syntaxes.get(context, "")
            whole = self._size <= datasets.MOST
            attributes = datasets.told(self._disguise, data, syntax) if whole else None
            told = {"bytes": self._size}
            told |= {"data": attributes} if attributes is not None else {"without": _UNREAD}
        self._say("message", self._side, context=context, command=self._of(command), **told)

    def _of(self, command: Command) -> dict[str, Any]:
        """The elements that are there; texts for people may hold anything, and go."""
        found = {name: value for name, value in asdict(command).items() if value is not None}
        found.pop("error_comment", None)
        for name in ("affected_sop_instance_uid", "requested_sop_instance_uid"):
            if name in found:
                found[name] = self._disguise.uid(found[name])
        return found


def _negotiated(says: Negotiation) -> Mapping[str, Any]:
    """What was negotiated; of a user identity, of which kind it was and nothing of it."""
    return {
        "max_pdu": says.max_pdu,
        "version": says.implementation_version_name,
        "roles": {uid: [role.scu, role.scp] for uid, role in says.roles.items()},
        "extended": {uid: flags.hex() for uid, flags in says.extended.items()},
        "identity": says.identity.type if says.identity is not None else None,
    }
