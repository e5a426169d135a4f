"""How does an origin server send what it holds elsewhere? By Send (Supplement 248, provisional)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote
from uuid import uuid4

import anyio

from hilum.backends.dicomweb.asks import Asking, json_accepts
from hilum.backends.dicomweb.resources import INSTANCE, SERIES, STUDY, Search, searches
from hilum.backends.dicomweb.wanted import resolved
from hilum.codec import dicom_json, send_status
from hilum.codec.json_stream import JsonStream
from hilum.codec.media_type import DICOM_JSON
from hilum.codec.stow_answer import by_reason
from hilum.core.operations import Originator
from hilum.model.errors import (
    BackendError,
    BackendFault,
    BadRequest,
    HilumError,
    NotFound,
    UnknownDestination,
)
from hilum.model.identity import Level, Ref
from hilum.model.outcome import Progress, Stored
from hilum.model.query import Path, Query
from hilum.model.sending import Sending, State
from hilum.net.answer import Answer
from hilum.net.client import Accepts, Client
from hilum.net.refused import retry_after

FIRST_LOOK: Final = 0.1
"""Seconds before the status is asked for the first time; then twice as long each time."""
LONGEST_WAIT: Final = 5.0
"""Seconds between two looks at the status, at most."""
_STOP = 5.0  # seconds that giving it up may take
_MAX_STATUS = 64 * 1024 * 1024  # bytes: each failed instance is named
_NOT_THERE = frozenset({400, 404, 405, 501})


class Passing:
    """Implements `core.backend.Sends` by a client for queries."""

    def __init__(self, client: Client, asking: Asking) -> None:
        self._client = client
        self._asking = asking

    @asynccontextmanager
    async def send(
        self, refs: Sequence[Ref], destination: str, _originator: Originator | None = None, /
    ) -> AsyncIterator[AsyncIterator[Progress]]:
        """See `core.backend.Sends`; leaving the block before the end gives it up there."""
        wanted = await resolved(self._asking, refs)
        transactions = [_Transaction(self._client, each, destination) for each in _asked(wanted)]
        told = _told(transactions)
        try:
            async with aclosing(told):
                yield told
        finally:
            for each in transactions:
                await each.stop()


async def _told(transactions: Sequence["_Transaction"]) -> AsyncGenerator[Progress, None]:
    """The progress of all, one after another."""
    before = Progress()
    for number, each in enumerate(transactions):
        try:
            await each.begin()
        except UnknownDestination as error:
            if not number:
                raise
            raise BackendFault("the far side sent only some of it") from error
        last = number == len(transactions) - 1
        now = before
        while True:
            sending = await each.look()
            now = _sum(before, sending, last=last)
            yield now
            if sending.state.is_final:
                break
        if sending.state is not State.ENDED and not sending.failed:
            raise BackendFault("the far side gave the Send up")
        before = now


@dataclass(slots=True)
class _Transaction:
    """One Send at the far side."""

    client: Client
    search: Search
    destination: str
    uid: str = field(default_factory=lambda: f"2.25.{uuid4().int}")
    accepts: Accepts = field(default_factory=json_accepts)
    running: bool = False
    wait: float = FIRST_LOOK

    @property
    def url(self) -> str:
        """Of its status."""
        return f"{self.client.root}{self.search.resource}/send-requests/{self.uid}"

    async def begin(self) -> None:
        """Ask for it.

        Raises:
            UnknownDestination: the server does not send there, or not this way; nothing was sent.
            OutOfResources, BackendError: the server failed.
        """
        keys = f"destination={quote(self.destination, safe='')}"
        url = f"{self.url}?{keys}&{self.search.query}".rstrip("&")
        status = 0
        try:
            self.running = True  # from now on perhaps
            async with self.client.post(url, {"Accept": DICOM_JSON}, b"") as answer:
                status = answer.status
        except BackendError as error:
            try:
                await self.look()  # the UID is ours: whether it came there can be asked
            except NotFound:
                self.running = False
                raise error from None
            return
        if status in _NOT_THERE:
            self.running = False
            raise UnknownDestination(f"{self.client.who} does not send there")
        if status >= 300:  # noqa: PLR2004 - no success
            self.running = False
            raise self.client.refused(status)

    async def look(self) -> Sending:
        """How far it is, after a while.

        Raises:
            NotFound, OutOfResources, BackendError: the server does not say.
        """
        await asyncio.sleep(self.wait)
        async with self.client.get(self.url, self.accepts) as answer:
            sending = await _status(answer)
            told = retry_after(answer.headers.get("retry-after", ""))
        self.wait = min(self.wait * 2, LONGEST_WAIT if told is None else max(told, FIRST_LOOK))
        if sending.state.is_final:
            self.running = False
        return sending

    async def stop(self) -> None:
        """Give it up, where it has not ended; whether that helps is not ours to say."""
        if not self.running:
            return
        self.running = False
        with anyio.CancelScope(shield=True), suppress(HilumError, TimeoutError):
            async with (
                asyncio.timeout(_STOP),
                self.client.post(self.url, {}, b"", method="DELETE", retries=0),
            ):
                pass


async def _status(answer: Answer) -> Sending:
    objects = JsonStream(_MAX_STATUS)
    try:
        async for piece in answer:
            for text in objects.feed(piece):
                return send_status.parse(dicom_json.loads(text))
    except BadRequest as error:
        raise BackendFault("the status of the Send cannot be read") from error
    raise BackendFault("the status of the Send is empty")


def _asked(refs: Iterable[Ref]) -> Iterator[Search]:
    """What to ask to be sent: series of one study, and instances of one series, together."""
    groups: dict[tuple[Level, str | None, str | None], list[str]] = {}
    for ref in refs:
        key = ref.instance or ref.series or ref.study or ""
        study = None if ref.level is Level.STUDY else ref.study
        series = ref.series if ref.level is Level.IMAGE else None
        groups.setdefault((ref.level, study, series), []).append(key)
    own: dict[Level, Path] = {Level.STUDY: STUDY, Level.SERIES: SERIES, Level.IMAGE: INSTANCE}
    for (level, study, series), uids in groups.items():
        match = {own[level]: "\\".join(dict.fromkeys(uids))}
        match |= {STUDY: study} if study is not None else {}
        match |= {SERIES: series} if series is not None else {}
        yield from searches(Query(level, match))


def _sum(before: Progress, sending: Sending, *, last: bool) -> Progress:
    failures = tuple(
        Stored(
            sop_class_uid=each.sop_class_uid,
            sop_instance_uid=each.sop_instance_uid,
            failure=by_reason(each.reason),
        )
        for each in sending.failures
    )
    remaining = sending.remaining
    if sending.state.is_final:
        remaining = 0
    reason = before.reason
    if reason is None and sending.failed:
        reason = failures[0].failure if failures else BackendFault("the far side failed to send")
    return Progress(
        remaining=remaining if last else None,
        completed=before.completed + sending.completed,
        failed=before.failed + sending.failed,
        warning=before.warning + sending.warning,
        failed_uids=(*before.failed_uids, *(each.sop_instance_uid for each in failures)),
        reason=reason,
        failures=(*before.failures, *failures),
    )
