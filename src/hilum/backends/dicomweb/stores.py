"""How are instances stored over STOW-RS? Each in a request of its own (PS3.18 §10.5)."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Final

from hilum.codec import part10, stow_answer
from hilum.codec.header import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from hilum.codec.identifiers import Identifiers, look
from hilum.codec.media_type import DICOM, DICOM_JSON
from hilum.codec.multipart import closing, new_boundary, part_head
from hilum.codec.reencode import Reencoder
from hilum.core.backend import StoreSession
from hilum.core.operations import Originator
from hilum.model.errors import (
    BackendFault,
    BackendTimeout,
    BackendUnavailable,
    BadDataset,
    ClassMismatch,
    HilumError,
)
from hilum.model.identity import is_uid
from hilum.model.instance import Instance
from hilum.model.outcome import Stored
from hilum.net.client import Client

NOT_ON_THE_WEB: Final = frozenset({IMPLICIT_LITTLE, EXPLICIT_BIG})
"""Transfer Syntaxes that DICOMweb does not allow (PS3.18 §8.7.3.5.2)."""
SMALL: Final = 64 * 1024
"""Bytes; a chunk up to this is joined with the head before it."""
_LOOK = 8192  # bytes of a data set in which its study and series are looked for


class Storing:
    """Implements `core.backend.Stores` by a client for storing.

    Why no request has several instances: the answer to one must be true before the next is taken.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    @asynccontextmanager
    async def open(
        self,
        _contexts: Sequence[tuple[str, str]] = (),
        _originator: Originator | None = None,
        /,
    ) -> AsyncIterator[StoreSession]:
        """A session; the server is called with the first instance."""
        yield _Session(self._client)


class _Session:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._gone: HilumError | None = None

    async def store(self, instance: Instance, /) -> Stored:
        """One request.

        A server that cannot be reached is not waited for again and again.
        """
        sent = Stored(
            sop_class_uid=instance.sop_class_uid, sop_instance_uid=instance.sop_instance_uid
        )
        if self._gone is not None:
            return _with(sent, self._gone)
        request = _Request(instance)
        try:
            outcome = await self._answered(request, sent)
        except HilumError as error:
            if request.failure is not None:
                raise request.failure from None  # the source failed, and not the server
            if not request.begun and isinstance(error, BackendUnavailable | BackendTimeout):
                self._gone = error
            outcome = _with(sent, request.refusal or error)
        return request.placed(outcome)

    async def _answered(self, request: "_Request", sent: Stored) -> Stored:
        url = f"{self._client.root}/studies"
        async with (
            aclosing(request.body()) as body,
            self._client.post(url, request.headers(), body) as answer,
        ):
            told = await answer.read(stow_answer.MAX_ANSWER)
            return stow_answer.judged(answer.status, told, sent)


def _with(sent: Stored, failure: HilumError) -> Stored:
    return Stored(
        sop_class_uid=sent.sop_class_uid,
        sop_instance_uid=sent.sop_instance_uid,
        failure=failure,
    )


class _Request:
    """One instance as the body of a request.

    Attributes:
        begun: some of it was read.
        failure: what reading the source raised.
        refusal: why it cannot be re-encoded.
    """

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._boundary = new_boundary()
        stored = instance.transfer_syntax_uid
        self._syntax = EXPLICIT_LITTLE if stored in NOT_ON_THE_WEB else stored
        # Without its Transfer Syntax, which the file says: Orthanc before DICOMweb 1.19 drops
        # parts of any other type, and calls that a success.
        self._before = part_head(self._boundary, {"Content-Type": DICOM}, first=True)
        self._before += part10.encode_meta(
            instance.sop_class_uid, instance.sop_instance_uid, self._syntax
        )
        self._after = closing(self._boundary)
        self._beginning = b""
        self.begun = False
        self.failure: HilumError | None = None
        self.refusal: HilumError | None = None

    def headers(self) -> dict[str, str]:
        """Those of the request; its length, where that is known."""
        headers = {
            "Accept": DICOM_JSON,
            "Content-Type": f'multipart/related; type="{DICOM}"; boundary={self._boundary}',
        }
        size = self._instance.size
        if size is not None and self._syntax == self._instance.transfer_syntax_uid:
            headers["Content-Length"] = str(len(self._before) + size + len(self._after))
        return headers

    async def body(self) -> AsyncGenerator[bytes, None]:
        """The body; it has no end where the source has none.

        Raises:
            HilumError: see `failure` and `refusal`.
        """
        self.begun = True
        before = self._before
        async with aclosing(self._encoded()) as pieces:
            async for piece in pieces:
                if before and len(piece) > SMALL:
                    yield before
                    yield piece
                else:
                    yield before + piece
                before = b""
        yield before + self._after

    async def _encoded(self) -> AsyncGenerator[bytes, None]:
        stored = self._instance.transfer_syntax_uid
        encoder = None if self._syntax == stored else Reencoder(stored, self._syntax)
        try:
            async with aclosing(self._chunks()) as chunks:
                async for chunk in chunks:
                    for piece in (chunk,) if encoder is None else encoder.pieces(chunk):
                        yield piece
            if encoder is not None:
                # What is kept cut off goes out cut off, as where nothing is re-encoded.
                yield encoder.close(cut=True)
        except BadDataset as error:
            if self.failure is None:
                self.refusal = error
            raise

    async def _chunks(self) -> AsyncGenerator[bytes, None]:
        counted, size = 0, self._instance.size
        try:
            async for chunk in self._instance.chunks:
                counted += len(chunk)
                if size is not None and counted > size:
                    break
                if len(self._beginning) < _LOOK:
                    self._beginning += chunk[:_LOOK]
                    self._check()
                yield chunk
            if size not in {None, counted}:
                raise BackendFault("an instance has another length than was announced")
        except HilumError as error:
            if self.refusal is None:
                self.failure = error
            raise

    def _check(self) -> None:
        """Compare the data set with what was announced, as far as it can be read.

        Raises:
            ClassMismatch: it is something else; the far side would believe the data set.
        """
        found = self._look(complete=False)
        announced = self._instance.sop_class_uid, self._instance.sop_instance_uid
        there = (found.sop_class_uid, found.sop_instance_uid) if found is not None else ("", "")
        if any(told and uid and told != uid for told, uid in zip(announced, there, strict=True)):
            self.refusal = ClassMismatch("the data set is not what was announced")
            raise self.refusal

    def _look(self, *, complete: bool) -> Identifiers | None:
        syntax = self._instance.transfer_syntax_uid
        try:
            return look(self._beginning, syntax, study=complete, complete=complete)
        except BadDataset:
            return None

    def placed(self, stored: Stored) -> Stored:
        """With the UIDs that the data set has, where the server did not say them."""
        found = self._look(complete=True)
        if found is None:
            return stored
        study, series = found.study_instance_uid, found.series_instance_uid
        return Stored(
            sop_class_uid=stored.sop_class_uid or found.sop_class_uid,
            sop_instance_uid=stored.sop_instance_uid or found.sop_instance_uid,
            study_instance_uid=stored.study_instance_uid or (study if is_uid(study) else ""),
            series_instance_uid=stored.series_instance_uid or (series if is_uid(series) else ""),
            failure=stored.failure,
            warnings=stored.warnings,
        )
