"""Puts one question to a PACS as it is: C-FIND on a pooled association (PS3.4 §C.4.1)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial

from hilum.backends.dimse.find import CONTEXTS, RELATIONAL, Answer, Answers, find
from hilum.backends.dimse.keys import keys_of, line
from hilum.backends.dimse.pool import Pool
from hilum.codec.dicom_json import Attributes
from hilum.codec.identifier import PATIENT_ID, QUERY_RETRIEVE_LEVEL
from hilum.codec.sop_class import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from hilum.config.mounts import DimseMount
from hilum.core.backend import Abilities
from hilum.model.charsets import ENCODINGS
from hilum.model.errors import BackendTimeout, BadDataset, BadQuery
from hilum.model.identity import Level
from hilum.model.query import Path, Query
from hilum.upper_layer.association import Association

_LOG = logging.getLogger(__name__)
_PATIENCE = 2.0  # seconds that a PACS gets to honour a C-CANCEL while a client waits for the end
_LINES = 3  # unreadable answers of one query that are logged one by one


class Replies(AsyncIterator[Attributes]):
    """The answers in the DICOM JSON Model, as they come; see `core.backend.Replies`.

    Attributes:
        unreadable: how many answers were passed over, because they cannot be read.
        is_cut: as many came as the PACS gives to one query, so that there may be more.
        is_fuzzy: the PACS matches names fuzzily, as it was asked to.
    """

    def __init__(
        self,
        answers: Answers,
        charset: str | None,
        called: str,
        *,
        is_fuzzy: bool,
        most: int | None = None,
    ) -> None:
        self._answers = answers
        self._charset = charset
        self._called = called
        self._first: Answer | None = None
        self.keys_ignored = False
        self.unreadable = 0
        self.is_cut = False
        self.is_fuzzy = is_fuzzy
        self._most = most
        self._count = 0

    async def begin(self) -> None:
        """Wait for the first answer, or for the end.

        Raises:
            HilumError: as `__anext__`.
        """
        self._first = await anext(self._answers, None)

    async def __anext__(self) -> Attributes:
        """The next one.

        Raises:
            BadQuery, NotOffered, Forbidden, OutOfResources, BackendError: the PACS failed, or
                is gone.
        """
        while True:
            answer, self._first = self._first, None
            if answer is None:
                answer = await anext(self._answers)
            self._count += 1
            self.is_cut = self._count == self._most or self.is_cut
            self.keys_ignored = self._answers.keys_ignored
            try:
                attributes = answer.described(self._charset).attributes
            except BadDataset as error:
                self._pass_over(str(error))
                continue
            if attributes:
                return attributes
            self._pass_over("its identifier is empty")

    def _pass_over(self, cause: str) -> None:
        self.unreadable += 1
        if self.unreadable <= _LINES:
            more = "; more of them are not told" if self.unreadable == _LINES else ""
            _LOG.warning("A match at %s cannot be read: %s%s", self._called, cause, more)


class Asking:
    """`core.backend.Asks` of a PACS."""

    def __init__(self, pool: Pool, mount: DimseMount) -> None:
        self._pool = pool
        self._mount = mount
        self._learned: Abilities | None = None
        self._learned_from: Association | None = None
        self._wants_patient = False  # in the Patient Root model; see `_turns_to_studies`

    async def abilities(self) -> Abilities:
        """See `core.backend.Asks`: what the PACS accepted when it was last called.

        Raises:
            OutOfResources, NotOffered, BackendError: there is no association to learn it from.
        """
        if self._learned is None:
            async with self._pool.lease() as association:
                return self._learn(association)
        return self._learned

    def ask(self, query: Query, /) -> AbstractAsyncContextManager[Replies]:
        """See `core.backend.Asks`.

        Raises:
            BackendTimeout: an answer took longer than `query_timeout`, or all of them longer
                than `query_deadline`.
            BadQuery, NotOffered, Forbidden, OutOfResources, BackendError: on entering, on the
                first or any later answer.
        """
        if query.fuzzy:
            return self._fuzzily(query)
        return self._pool.begun(partial(self._begun, query), self._mount.query_timeout)

    @asynccontextmanager
    async def _fuzzily(self, query: Query) -> AsyncIterator[Replies]:
        """Fuzzy matching is agreed on for an association as a whole, so it gets one of its own."""
        flags = bytes((self._mount.relational == "auto", 0, 1))  # PS3.4 §C.5.1.1
        opened = self._pool.opened(
            CONTEXTS,
            extended={uid: flags for uid, _ in CONTEXTS},
            silence=self._mount.query_timeout,
        )
        async with opened as association, self._begun(query, association) as replies:
            yield replies

    @asynccontextmanager
    async def _begun(self, query: Query, association: Association) -> AsyncIterator[Replies]:
        self._learn(association)
        deadline = self._mount.query_deadline
        text = f"the query took longer than {deadline:g} s"
        out_of_time = partial(association.abort, text, told=BackendTimeout(text))
        timer = asyncio.get_running_loop().call_later(deadline, out_of_time)
        try:
            async with AsyncExitStack() as stack:
                try:
                    asked = self._asked(query, association)
                    replies = await stack.enter_async_context(asked)
                except BadQuery:
                    if not self._turns_to_studies(query, association):
                        raise
                    asked = self._asked(query, association)
                    replies = await stack.enter_async_context(asked)
                yield replies
        finally:
            timer.cancel()

    @asynccontextmanager
    async def _asked(self, query: Query, association: Association) -> AsyncIterator[Replies]:
        """One C-FIND, up to its first answer."""
        keys = self._keys(query)
        finding = find(
            association,
            query.level,
            keys,
            patient_root=self._is_patient_root(query),
            encoding=self._encoding(keys),
            patience=_PATIENCE if self._mount.cancel == "cancel" else 0.0,
        )
        async with finding as answers:
            agreed = self._extended(association, self._model(query))[2:3] == b"\1"
            mount = self._mount
            replies = Replies(
                answers,
                mount.charset,
                mount.aet,
                is_fuzzy=query.fuzzy and agreed,
                most=mount.max_answers,
            )
            await replies.begin()
            yield replies

    def _turns_to_studies(self, query: Query, association: Association) -> bool:
        """Whether what was refused is asked in the Study Root model, from now on.

        A PACS may want one Patient ID with every question below PATIENT level of the Patient
        Root model (PS3.4 §C.4.1.2.2.1); who has none has the other model, where it is offered.
        """
        accepted = {each.abstract_syntax for each in association.contexts.values()}
        can = STUDY_ROOT_FIND in accepted and query.level is not Level.PATIENT
        if can and self._is_patient_root(query) and not _names_patient(query):
            self._wants_patient, self._learned = True, None
            _LOG.info(
                "%s wants a Patient ID in the Patient Root model: what names none is asked "
                "in the Study Root model from now on",
                self._mount.aet,
            )
            return True
        return False

    def told(self, query: Query, /) -> Sequence[str]:
        """See `core.backend.Asks`."""
        mount = self._mount
        model = "Patient" if self._is_patient_root(query) else "Study"
        return (
            f"C-FIND ({model} Root) to {mount.aet} at {mount.host}:{mount.port}",
            line((QUERY_RETRIEVE_LEVEL,), query.level.value),
            *(line(path, value) for path, value in self._keys(query).items()),
        )

    def _is_patient_root(self, query: Query) -> bool:
        if query.level is Level.PATIENT:
            return True
        wants = self._wants_patient and not _names_patient(query)
        return self._mount.information_model == "patient" and not wants

    def _model(self, query: Query) -> str:
        return PATIENT_ROOT_FIND if self._is_patient_root(query) else STUDY_ROOT_FIND

    def _extended(self, association: Association, model: str) -> bytes:
        """What the PACS agreed to of a model."""
        return association.remote.extended.get(model, b"")

    def _keys(self, query: Query) -> dict[Path, str]:
        return keys_of(query, patient_root=self._is_patient_root(query))

    def _encoding(self, keys: Mapping[Path, str]) -> str:
        """The Specific Character Set to ask in; "": by what the keys hold.

        A PACS that is set to answer in a certain one, whatever it declares, is asked in it.
        """
        charset = self._mount.charset or ""
        is_needed = not all(value.isascii() for value in keys.values())
        return charset if is_needed and charset in ENCODINGS else ""

    def _learn(self, association: Association) -> Abilities:
        """What the PACS accepted on this association."""
        if self._learned is not None and association is self._learned_from:
            return self._learned
        accepted = {each.abstract_syntax for each in association.contexts.values()}
        below = {Level.STUDY, Level.SERIES, Level.IMAGE}
        model = self._model(Query(Level.STUDY))
        levels = below if model in accepted else set()
        if PATIENT_ROOT_FIND in accepted:
            levels.add(Level.PATIENT)
        agreed = self._extended(association, model)[:1] == RELATIONAL
        is_relational = agreed and self._mount.relational == "auto"
        self._learned = Abilities(frozenset(levels), is_relational)
        self._learned_from = association
        return self._learned


def _names_patient(query: Query) -> bool:
    """Whether it has one Patient ID, as a question below PATIENT level may have to."""
    value = query.match.get((PATIENT_ID,), "")
    return bool(value) and not any(each in value for each in "*?\\")
