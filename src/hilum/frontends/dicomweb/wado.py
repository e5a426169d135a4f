"""How are the instances of WADO-RS given? (PS3.18 §10.4)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    aclosing,
    asynccontextmanager,
)
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from hilum.codec.media_type import DICOM, RELATED, ZIP
from hilum.codec.multipart import closing, new_boundary, part_head
from hilum.core.operations import Retrieve
from hilum.frontends.dicomweb import resumed_file
from hilum.frontends.dicomweb.asked import Asked, accepts, asked, warning
from hilum.frontends.dicomweb.held import Shortfall, held
from hilum.frontends.dicomweb.json_array import resumed
from hilum.frontends.dicomweb.outgoing import encoded, meta, settled, streams
from hilum.frontends.dicomweb.resumed_file import ResumedFile
from hilum.frontends.dicomweb.streamed import Answer, Headers, Streamed
from hilum.frontends.dicomweb.waiting import NOTHING, Waiting
from hilum.frontends.dicomweb.wanted import Wanted, wanted
from hilum.frontends.dicomweb.zipped import zipped
from hilum.model.errors import BackendFault, NotAcceptable, NotFound
from hilum.model.identity import Level
from hilum.model.instance import Instance, Listed, ready
from hilum.net.lying import WORTH, Lying
from hilum.net.pieces import Piece, Pieces, Some

MAX_RECKONED = 10_000  # instances in an answer whose length is told beforehand

Given = tuple[Instance, Wanted, str]
"""An instance, the way it goes out, and the Transfer Syntax it then has."""


async def retrieve(request: Request) -> Response:
    """The instances of a study or series, or one instance.

    200; 206 with a Warning when some cannot be given as asked, or did not come; 404; 406 when none
    can. 202 and 503 where the client is to come again (see `waiting`).
    """
    about = asked(request)
    ways = wanted(accepts(request), one=about.ref.level is Level.IMAGE)
    waiting = Waiting(request, about)
    later = await waiting.begun()
    if later is not None:
        return later
    whole = _Retrieved(about, ways, waiting, encrypts=request.scope["scheme"] == "https")
    if resumed_file.is_asked(request, about):
        part = ResumedFile(request, about, whole.as_stored, whole.opened)
        return Streamed(request, part.opened)
    return Streamed(request, whole.opened)


def given(
    about: Asked, ways: Sequence[Wanted], waiting: Waiting
) -> Callable[[], AbstractAsyncContextManager[Answer]]:
    """The answer with what is addressed, in the best of the ways that is possible."""
    return _Retrieved(about, ways, waiting).opened


@dataclass(frozen=True, slots=True)
class _Retrieved:
    """One retrieval, on its way to an answer.

    Attributes:
        ways: how the client takes instances, the best first.
        encrypts: whether we speak TLS with the client.
    """

    asked: Asked
    ways: Sequence[Wanted]
    waiting: Waiting
    encrypts: bool = False
    boundary: str = field(default_factory=new_boundary)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Answer]:
        """The answer. Its beginning waits for the end, so that a short one tells what is missing.

        What comes short later is cut off, without its closing boundary.
        """
        operation = self.asked.operation(Retrieve, refs=(self.asked.ref,))
        async with self.asked.broker.retrieve(operation) as retrieval:
            there = self.waiting.there(retrieval.manifest)
            plan = self._plan(there)
            short = Shortfall(known=self.waiting.short is not None)
            async with (
                aclosing(short.noted(retrieval.instances)) as noted,
                aclosing(self._givable(noted, plan, short)) as givable,
                AsyncExitStack() as stack,
            ):
                try:
                    given = await anext(givable)
                except StopAsyncIteration:
                    raise short.error or NotFound(NOTHING) from None
                if given[1].zipped:
                    kind, length = ZIP, None
                    multipart = self._parts(given, givable, short)
                    body = zipped(multipart, self.boundary, self.asked.ref)
                elif given[1].alone:
                    going = self._settled(given)
                    instance, syntax = await stack.enter_async_context(going)
                    kind, length = _kind(syntax), _length([(instance, syntax)])
                    body = encoded(b"", instance, syntax)
                else:
                    kind = f'{RELATED}; type="{DICOM}"; boundary={self.boundary}'
                    length = None if plan is None else _length(plan, self.boundary)
                    body = self._parts(given, givable, short)
                async with aclosing(body):
                    alone = plan is not None and len(plan) == 1
                    lying = self._lying(given) if alone else None
                    beginning, ended = (lying, True) if lying else await held(body)
                    first = Pieces(beginning)
                    short.close()
                    status, headers = self._promised(there, plan, short.left)
                    if missing := self.waiting.short or short.error:
                        status = 206
                        headers += self.waiting.told(missing, retrieval.manifest)
                    headers += [("Content-Type", kind), ("Vary", "Accept")]
                    if given[1].alone:
                        headers.append(("Accept-Ranges", "bytes"))
                    if kind == ZIP:
                        name = (
                            self.asked.ref.instance or self.asked.ref.series or self.asked.ref.study
                        )
                        headers.append(
                            ("Content-Disposition", f'attachment; filename="{name}.zip"')
                        )
                    if ended or length is not None:
                        yield Answer(
                            status, headers, first if ended else resumed([first], body), length
                        )
                        return
                    with self.waiting.going(retrieval.manifest) as more:
                        yield Answer(status, headers + more, resumed([first], body))

    def _lying(self, given: Given) -> list[Piece] | None:
        """The body, where all that there is lies in a file as it goes out."""
        instance, way, syntax = given
        if way.zipped:
            return None
        if way.alone:
            return _lying(b"", instance, syntax)
        part = _lying(_head(self.boundary, syntax, first=True), instance, syntax)
        return part and [*part, closing(self.boundary)]

    def as_stored(self, stored: str) -> bool:
        """Whether an instance in that syntax goes out alone, and as it is."""
        chosen = self._chosen(stored)
        return chosen is not None and chosen[0].alone and chosen[1] == stored

    def _chosen(self, stored: str) -> tuple[Wanted, str] | None:
        """The best way to give what is stored in that syntax, or None."""
        for way in self.ways:
            syntax = way.given(stored, self.asked.broker.transcodes)
            if syntax is not None:
                return way, syntax
        return None

    def _plan(self, manifest: Sequence[Listed] | None) -> list[tuple[Listed, str]] | None:
        """What of the manifest goes out, and in which syntax; None where it does not say enough.

        Raises:
            NotFound: there is nothing.
            NotAcceptable: nothing of it can be given as the client takes it.
        """
        if manifest is None:
            return None
        if not manifest:
            raise NotFound(NOTHING)
        plan: list[tuple[Listed, str]] = []
        for each in manifest:
            if each.transfer_syntax_uid is None:
                return None
            chosen = self._chosen(each.transfer_syntax_uid)
            if chosen is not None:
                plan.append((each, chosen[1]))
        if not plan:
            raise _not_acceptable(str(manifest[0].transfer_syntax_uid))
        return plan

    def _promised(
        self, manifest: Sequence[Listed] | None, plan: list[tuple[Listed, str]] | None, left: int
    ) -> tuple[int, Headers]:
        """The status, and a Warning where not everything goes out: "Partial Content"."""
        if manifest is not None and plan is not None:
            left += len(manifest) - len(plan)
        if not left:
            return 200, []
        of = "" if manifest is None else f" of {len(manifest)}"
        text = f"{left}{of} instances cannot be given in an accepted Transfer Syntax"
        return 206, [warning(self.asked.root, text)]

    async def _givable(
        self,
        instances: AsyncIterator[Instance],
        plan: list[tuple[Listed, str]] | None,
        short: Shortfall,
    ) -> AsyncGenerator[Given, None]:
        """The instances that can be given.

        Raises:
            NotAcceptable: none can.
            BackendFault: not all came that were announced.
        """
        given, refused = 0, None
        async for instance in instances:
            chosen = self._chosen(instance.transfer_syntax_uid)
            if chosen is not None:
                given += 1
                yield instance, *chosen
            elif plan is None:
                refused = _not_acceptable(instance.transfer_syntax_uid)
                short.leave(refused, instance.sop_instance_uid)
        if refused is not None and not given:
            raise refused
        if plan is not None and given != len(plan) and short.error is None:
            raise BackendFault("other instances came than were announced")

    async def _parts(
        self, first: Given, rest: AsyncGenerator[Given, None], short: Shortfall
    ) -> AsyncGenerator[Some, None]:
        """All parts and the closing boundary.

        Raises:
            Incomplete: not one instance is whole; or some are missing, and that cannot be told.
            NotAcceptable, OutOfResources: not one can be given as asked.
        """
        given: Given | None = first
        is_first = True
        while given is not None:
            instance, way, syntax = given
            # What is encrypted is quickest read right before that: bytes that another thread has
            # read ahead are not in the cache of the processor that encrypts them.
            if self.encrypts and not way.zipped:
                head = _head(self.boundary, syntax, first=is_first)
                if lying := _lying(head, instance, syntax):
                    is_first = False
                    yield Pieces(lying)
                    await asyncio.sleep(0)  # no wait else lets others go on
                    given = await anext(rest, None)
                    continue
            if streams(instance.transfer_syntax_uid, syntax):
                head = _head(self.boundary, syntax, first=is_first)
                part = encoded(head, instance, syntax)
            else:
                part = self._transcoded(given, first=is_first)
            async with (
                aclosing(part),
                aclosing(short.whole(part, instance.sop_instance_uid)) as pieces,
            ):
                async for piece in pieces:
                    is_first = False
                    yield piece
            given = await anext(rest, None)
        if is_first:
            raise short.error or short.refused or NotFound(NOTHING)
        short.check()
        yield closing(self.boundary)

    def _settled(self, given: Given) -> AbstractAsyncContextManager[tuple[Instance, str]]:
        """An instance as it goes out, and the syntax in which it does.

        What cannot be transcoded goes out in the next syntax that the client takes, if it need not
        be transcoded to that.

        Raises:
            NotAcceptable, OutOfResources: it cannot be given as asked.
        """
        instance, way, syntax = given
        ways = (each for each in self.ways if each.alone == way.alone)
        others = (each.given(instance.transfer_syntax_uid) for each in ways)
        other = next((each for each in others if each is not None), None)
        return settled(instance, syntax, other, self.asked.broker.transcodes)

    async def _transcoded(self, given: Given, *, first: bool) -> AsyncGenerator[Some, None]:
        """A part whose instance has to be transcoded."""
        async with self._settled(given) as (instance, syntax):
            head = _head(self.boundary, syntax, first=first)
            async with aclosing(encoded(head, instance, syntax)) as pieces:
                async for piece in pieces:
                    yield piece


def _lying(head: bytes, instance: Instance, syntax: str) -> list[Piece] | None:
    """An instance behind a head, where it lies in a file as it goes out."""
    if syntax != instance.transfer_syntax_uid or (instance.size or 0) < WORTH:
        return None
    part = ready(instance.chunks)
    return None if part is None else [head + meta(instance, syntax), Lying(*part)]


def _kind(syntax: str) -> str:
    return f"{DICOM}; transfer-syntax={syntax}"


def _head(boundary: str, syntax: str, *, first: bool = False) -> bytes:
    return part_head(boundary, {"Content-Type": _kind(syntax)}, first=first)


def _length(plan: Sequence[tuple[Instance | Listed, str]], boundary: str = "") -> int | None:
    """Bytes in the body; None where it is not known or would take long to reckon."""
    if len(plan) > MAX_RECKONED:
        return None
    total = len(closing(boundary)) if boundary else 0
    for index, (each, syntax) in enumerate(plan):
        if each.size is None or syntax != each.transfer_syntax_uid:
            return None
        total += len(meta(each, syntax)) + each.size
        if boundary:
            total += len(_head(boundary, syntax, first=not index))
    return total


def _not_acceptable(stored: str) -> NotAcceptable:
    return NotAcceptable(f"it is stored in Transfer Syntax {stored} and cannot be given as asked")
