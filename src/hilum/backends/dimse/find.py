"""Searches at a peer by C-FIND (PS3.4 §C.4.1, PS3.7 §9.1.2)."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType

from hilum.backends.dimse.asking import PATIENCE, failure, putting, wanted
from hilum.codec import dicom_json
from hilum.codec.dicom_json import Described
from hilum.codec.dimse import Service
from hilum.codec.sop_class import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from hilum.model.errors import BadDataset, TooLarge
from hilum.model.identity import Level
from hilum.model.query import Path
from hilum.upper_layer.association import Association
from hilum.upper_layer.messages import Responses

CONTEXTS = (wanted(STUDY_ROOT_FIND), wanted(PATIENT_ROOT_FIND))
RELATIONAL = b"\1"
"""Extended negotiation of either class that asks for relational queries (PS3.4 §C.5.1.1)."""
_SUCCESS, _PENDING, _WITHOUT_KEYS = 0x0000, 0xFF00, 0xFF01


@dataclass(frozen=True, slots=True)
class Answer:
    """One match, as the peer encoded it.

    Attributes:
        encoded: None where it sent none, or one that has no end.
        fault: why there is none.
    """

    encoded: bytes | None
    transfer_syntax_uid: str
    fault: str = ""

    def described(self, charset: str | None = None) -> Described:
        """The match in DICOM JSON, text in Unicode.

        Args:
            charset: Specific Character Set that it is really in, whatever it declares.

        Raises:
            BadDataset: it cannot be read.
        """
        if self.encoded is None:
            raise BadDataset(self.fault)
        return dicom_json.from_encoded(self.encoded, self.transfer_syntax_uid, charset=charset)


class Answers(AsyncIterator[Answer]):
    """The matches, as they come.

    Attributes:
        status: of the final response, once it has come.
        comment: Error Comment (0000,0902) of it; may hold anything, patient data too.
        keys_ignored: the peer said that it does not support a key that was asked for (FF01).
    """

    def __init__(self, responses: Responses) -> None:
        self._responses = responses
        self.status: int | None = None
        self.comment = ""
        self.keys_ignored = False

    async def __anext__(self) -> Answer:
        """The next one.

        Raises:
            BadQuery, NotOffered, Forbidden, OutOfResources, BackendError: the peer failed, or
                is gone.
        """
        message = await anext(self._responses)
        command = message.command
        if command.status not in (_PENDING, _WITHOUT_KEYS):
            self.status, self.comment = command.status, command.error_comment or ""
            if command.status != _SUCCESS:
                raise failure(Service.C_FIND, command.status)
            raise StopAsyncIteration
        self.keys_ignored |= command.status == _WITHOUT_KEYS
        syntax = message.context.transfer_syntax
        if message.data is None:
            return Answer(None, syntax, "it has no identifier")
        try:
            return Answer(await message.identifier(), syntax)
        except TooLarge:
            return Answer(None, syntax, "its identifier has no end")


def find(  # noqa: PLR0913 - a C-FIND has that many sides
    association: Association,
    level: Level,
    keys: Mapping[Path, str],
    *,
    patient_root: bool = False,
    encoding: str = "",
    patience: float = PATIENCE,
) -> AbstractAsyncContextManager[Answers]:
    """Search; leaving before the last match cancels the search at the peer.

    Args:
        association: on which `CONTEXTS` were proposed.
        level: of the matches.
        keys: path -> value in C-FIND notation; "" asks for the attribute.
        patient_root: of the two information models, the Patient Root one.
        encoding: Specific Character Set to ask in; "": chosen by what the keys hold.
        patience: seconds that the peer gets to honour a C-CANCEL, before it is aborted.

    Raises:
        BadQuery: a key cannot be written; at once.
        NotOffered: the peer does not accept the information model; at once.
        BackendError: the association was lost.
    """
    uid = PATIENT_ROOT_FIND if patient_root else STUDY_ROOT_FIND
    return _Finding(
        putting(association, Service.C_FIND, uid, level, keys, encoding=encoding, patience=patience)
    )


class _Finding(AbstractAsyncContextManager[Answers]):
    """The answers for the responses."""

    def __init__(self, asking: AbstractAsyncContextManager[Responses]) -> None:
        self._asking = asking

    async def __aenter__(self) -> Answers:
        return Answers(await self._asking.__aenter__())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._asking.__aexit__(kind, error, traceback)
