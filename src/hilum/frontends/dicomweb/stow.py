"""How are instances stored over STOW-RS? (PS3.18 §10.5)."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from importlib import import_module
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from hilum.codec import media_type, stow_response
from hilum.codec.media_type import DICOM, DICOM_JSON, DICOM_XML, METADATA, MediaType
from hilum.codec.verdict import verdict_on
from hilum.core.backend import StoreSession
from hilum.core.operations import Store
from hilum.frontends.dicomweb import documents, errors, upload
from hilum.frontends.dicomweb.asked import Asked, asked, one_of, warning
from hilum.frontends.dicomweb.incoming import Incoming
from hilum.frontends.dicomweb.spool import Spool
from hilum.frontends.dicomweb.streamed import Unanswered
from hilum.frontends.dicomweb.upload import Body, ClientGoneError, Part
from hilum.frontends.dicomweb.waiting import result_url
from hilum.model.errors import (
    BadDataset,
    BadRequest,
    HilumError,
    StudyMismatch,
    UnsupportedMedia,
)
from hilum.model.outcome import Stored

_GATHERING: Final = "hilum.frontends.dicomweb.stow_metadata"
"""Imported when somebody stores that way: it brings pydicom along."""


async def store(request: Request) -> Response:
    """Keep the instances of the request, all durably before it is answered.

    200 all kept; 202 some failed or have warnings; 409 none kept; 400 not a multipart, or none
    in it; 413 too long; 415 something else than instances. What was kept before a request turned
    out to be malformed or too long stays, and the answer names it.
    """
    about = asked(request)
    kind = one_of(request, documents.ONE)
    content = media_type.parse(request.headers.get("content-type", ""))
    _check(content, request.headers.get("content-encoding", ""))
    body = Body(request, about.settings.max_upload_size)
    stored: list[Stored] = []
    problem: HilumError | None = None
    headers: dict[str, str] = {}
    async with aclosing(body.pieces()) as pieces, Spool(request.app.state.spill) as spool:
        parts = _parts(content, pieces, about.settings.max_parts, body.length)
        try:
            if _kind_of(content) in METADATA:
                gathering = await asyncio.to_thread(import_module, _GATHERING)
                gathered = gathering.Gathered(spool, _base(about), about.settings.max_parts)
                await gathered.gather(content, parts)
                await _keep(about, gathered.instances(), stored)
                headers = _unused(about, gathered.unused)
            else:
                await _keep(about, parts, stored)
        except BadRequest as error:
            problem = error
        except ClientGoneError:
            return Unanswered()
    if not stored:
        problem = problem or BadRequest("the request has no parts")
        return errors.answer(problem, about.request_id)
    status = stow_response.status(stored) if problem is None else verdict_on(problem).http
    response = documents.written(kind, stow_response.encode(stored, about.root))
    return Response(response, status, headers, media_type=kind)


def _kind_of(content: MediaType) -> str:
    """The media type of the request, or of its root part."""
    return content.related if upload.is_related(content) else content.kind


def _base(about: Asked) -> str:
    """The URL of the request, to which names of bulk data are relative."""
    return result_url(about.root, about.ref) if about.ref.study else f"{about.root}/studies"


def _unused(about: Asked, count: int) -> dict[str, str]:
    """A header that tells of parts that no instance refers to; they are not kept."""
    if not count:
        return {}
    text = f"{count} parts with bulk data belong to no instance, and are not kept"
    return dict([warning(about.root, text)])


def _check(content: MediaType, encoding: str) -> None:
    """Refuse what is not taken here before anything is read.

    Raises:
        UnsupportedMedia: it is something else.
    """
    if encoding.strip().lower() not in {"", "identity"}:
        raise UnsupportedMedia("a compressed request is not taken")
    kind = _kind_of(content)
    taken = f"{DICOM}, {DICOM_JSON}, {DICOM_XML}"
    if upload.is_related(content):
        if not upload.may_be_dicom(kind) and kind not in METADATA:
            raise UnsupportedMedia(f"only parts of these types are taken: {taken}")
    elif kind != DICOM and kind not in METADATA:
        raise UnsupportedMedia(f"send multipart/related, its type one of {taken}")


def _parts(
    content: MediaType, pieces: AsyncGenerator[bytes, None], max_parts: int, length: int | None
) -> AsyncGenerator[Part, None]:
    if upload.is_related(content):
        return upload.related(content, pieces, max_parts)
    return upload.alone(content, pieces, length)


async def _keep(about: Asked, parts: AsyncGenerator[Part, None], stored: list[Stored]) -> None:
    """Store part after part; adds to `stored` what became of each, in their order.

    Raises:
        BadRequest: the body is malformed or too long from here on.
        ClientGoneError: the client left.
        HilumError: the mount takes nothing at all.
    """
    operation = about.operation(Store)
    mounts = about.broker.mounts
    async with aclosing(parts), about.broker.store(operation) as session:
        abreast = mounts[mounts.meant(about.mount)].stores_at_once
        keeping = _Keeping(session, about.ref.study, asyncio.Semaphore(abreast))
        try:
            await keeping.all(parts)
        finally:
            stored.extend(each for _, each in sorted(keeping.stored.items()))


class _Keeping:
    """The parts of one request on their way to the mount.

    Attributes:
        stored: what became of each that had an end, by its number.
    """

    def __init__(self, session: StoreSession, study: str | None, free: asyncio.Semaphore) -> None:
        self._session = session
        self._study = study
        self._free = free
        self._problem: HilumError | None = None
        self.stored: dict[int, Stored] = {}

    async def all(self, parts: AsyncGenerator[Part, None]) -> None:
        """Store each, reading the next one when this one is read and not too many are begun.

        Raises:
            HilumError: the request broke off; those before are stored.
        """
        async with asyncio.TaskGroup() as tasks:
            try:
                await self._read(parts, tasks)
            except HilumError as error:
                self._problem = self._problem or error
        if self._problem is not None:
            raise self._problem

    async def _read(self, parts: AsyncGenerator[Part, None], tasks: asyncio.TaskGroup) -> None:
        number = 0
        await self._free.acquire()
        async for part in parts:
            tasks.create_task(self._run(number, part))
            await part.over.wait()
            await self._free.acquire()
            number += 1
            if self._problem is not None:
                break

    async def _run(self, number: int, part: Part) -> None:
        try:
            await self._one(number, part)
        except HilumError as error:
            self._problem = self._problem or error
        finally:
            part.over.set()
            self._free.release()

    async def _one(self, number: int, part: Part) -> None:
        """Store one part and tell of it, also where the request breaks off within it."""
        instance = Incoming()
        try:
            outcome = await instance.store(part, self._session, self._study)
        except (BadDataset, StudyMismatch, UnsupportedMedia) as error:
            outcome = replace(instance.known, failure=error)
        except BadRequest as error:
            self._remember(number, replace(instance.known, failure=error))
            raise
        else:
            if outcome.failure is None and instance.warnings:
                outcome = replace(outcome, warnings=(*instance.warnings, *outcome.warnings))
        self._remember(number, outcome)

    def _remember(self, number: int, outcome: Stored) -> None:
        """Keep what became of a part, without the frames in which it failed.

        They hold the part and all that read it: of ten thousand parts that are 40 MB, in cycles.
        """
        if outcome.failure is not None:
            failure = outcome.failure
            failure.__traceback__ = failure.__context__ = failure.__cause__ = None
        self.stored[number] = outcome
