"""How are instances stored over STOW-RS? (PS3.18 §10.5)."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from starlette.requests import Request
from starlette.responses import Response

from hilum.codec import dicom_json, media_type, part10, stow_response
from hilum.codec.identifiers import Identifiers, look
from hilum.codec.media_type import DICOM, MediaType
from hilum.codec.verdict import verdict_on
from hilum.core.backend import StoreSession
from hilum.core.operations import Store
from hilum.frontends.dicomweb import errors, upload
from hilum.frontends.dicomweb.asked import Asked, asked, json_type
from hilum.frontends.dicomweb.streamed import Unanswered
from hilum.frontends.dicomweb.upload import Body, ClientGoneError, Part
from hilum.model.errors import (
    BadDataset,
    BadRequest,
    HilumError,
    StudyMismatch,
    UnsupportedMedia,
)
from hilum.model.instance import Instance
from hilum.model.outcome import Stored

LOOK = 4 * 1024 * 1024  # bytes of a data set within which its UIDs must stand
_FIRST_LOOK = 4096  # bytes; then twice as many each time


async def store(request: Request) -> Response:
    """Keep the instances of the request, each durably before the next is read.

    200 all kept; 202 some failed or have warnings; 409 none kept; 400 not a multipart, or none
    in it; 413 too long; 415 something else than instances. What was kept before a request turned
    out to be malformed or too long stays, and the answer names it.
    """
    about = asked(request)
    kind = json_type(request)
    content = media_type.parse(request.headers.get("content-type", ""))
    _check(content, request.headers.get("content-encoding", ""))
    body = Body(request, about.settings.max_upload_size)
    stored: list[Stored] = []
    problem: HilumError | None = None
    async with aclosing(body.pieces()) as pieces:
        parts = _parts(content, pieces, about.settings.max_parts, body.length)
        try:
            await _keep(about, parts, stored)
        except BadRequest as error:
            problem = error
        except ClientGoneError:
            return Unanswered()
    if not stored:
        problem = problem or BadRequest("the request has no parts")
        return errors.answer(problem, about.request_id)
    status = stow_response.status(stored) if problem is None else verdict_on(problem).http
    response = dicom_json.dumps(stow_response.encode(stored, about.root))
    return Response(response, status, media_type=kind)


def _check(content: MediaType, encoding: str) -> None:
    """Refuse what is not taken here before anything is read.

    Raises:
        UnsupportedMedia: it is something else.
    """
    if encoding.strip().lower() not in {"", "identity"}:
        raise UnsupportedMedia("a compressed request is not taken")
    if upload.is_related(content):
        if not upload.may_be_dicom(content.related):
            raise UnsupportedMedia(f'only parts of type "{DICOM}" are taken')
    elif content.kind != DICOM:
        raise UnsupportedMedia(f'send multipart/related; type="{DICOM}"')


def _parts(
    content: MediaType, pieces: AsyncGenerator[bytes, None], max_parts: int, length: int | None
) -> AsyncGenerator[Part, None]:
    if upload.is_related(content):
        return upload.related(content, pieces, max_parts)
    return upload.alone(content, pieces, length)


async def _keep(about: Asked, parts: AsyncGenerator[Part, None], stored: list[Stored]) -> None:
    """Store part after part; adds to `stored` what became of each.

    Raises:
        BadRequest: the body is malformed or too long from here on.
        ClientGoneError: the client left.
        HilumError: the mount takes nothing at all.
    """
    operation = Store(mount=about.mount, request_id=about.request_id)
    async with aclosing(parts), about.broker.store(operation) as session:
        async for part in parts:
            await _one(part, session, about.ref.study, stored)


async def _one(part: Part, session: StoreSession, study: str | None, stored: list[Stored]) -> None:
    """Store one part and tell of it, also where the request breaks off within it."""
    instance = _Incoming()
    try:
        outcome = await instance.store(part, session, study)
    except (BadDataset, StudyMismatch, UnsupportedMedia) as error:
        stored.append(replace(instance.known, failure=error))
    except BadRequest as error:
        stored.append(replace(instance.known, failure=error))
        raise
    else:
        if outcome.failure is None and instance.warnings:
            outcome = replace(outcome, warnings=(*instance.warnings, *outcome.warnings))
        stored.append(outcome)


@dataclass(slots=True)
class _Incoming:
    """One instance on its way in.

    Attributes:
        known: its UIDs, as far as they were read.
        warnings: what was wrong with the head of its file.
    """

    known: Stored = field(default=Stored(sop_class_uid="", sop_instance_uid=""))
    warnings: tuple[str, ...] = ()

    async def store(self, part: Part, session: StoreSession, study: str | None) -> Stored:
        """Read what must be known beforehand, then let the mount read the rest.

        Raises:
            UnsupportedMedia: the part says that it is something else.
            BadDataset: it is no instance.
            StudyMismatch: it is of another study than `study`.
            BadRequest: the request breaks off.
        """
        if not upload.may_be_dicom(part.headers.get("content-type", "")):
            raise UnsupportedMedia(f"this part is not of type {DICOM}")
        head = await _head(part)
        self.warnings = head.warnings
        self.known = replace(
            self.known, sop_class_uid=head.sop_class_uid, sop_instance_uid=head.sop_instance_uid
        )
        self._take(await _identifiers(part, head.transfer_syntax_uid, study=study is not None))
        if study is not None and self.known.study_instance_uid != study:
            raise StudyMismatch("it does not belong to the study of the URL")
        async with aclosing(part.chunks()) as chunks:
            instance = Instance(
                sop_instance_uid=self.known.sop_instance_uid,
                sop_class_uid=self.known.sop_class_uid,
                transfer_syntax_uid=head.transfer_syntax_uid,
                chunks=chunks,
                size=None if part.length is None else part.length - head.offset,
            )
            return await session.store(instance)

    def _take(self, found: Identifiers) -> None:
        """Believe the data set where it and the head of the file name different things.

        No warning is due: the head is not kept, and the instance is what its data set says.

        Raises:
            BadDataset: neither names an instance.
        """
        head = self.known
        self.known = replace(
            head,
            sop_class_uid=found.sop_class_uid or head.sop_class_uid,
            sop_instance_uid=found.sop_instance_uid or head.sop_instance_uid,
            study_instance_uid=found.study_instance_uid,
        )
        if not self.known.sop_class_uid or not self.known.sop_instance_uid:
            raise BadDataset("it has no SOP Class UID or no SOP Instance UID")


async def _head(part: Part) -> part10.Head:
    """Read the head of a file of PS3.10; the data set is left in the part.

    Raises:
        BadDataset: this is none.
    """
    buffer, enough = b"", 0
    while True:
        more = await part.read()
        buffer += more
        if more and len(buffer) < enough:
            continue
        head = part10.read_head(buffer, complete=not more)
        if head is not None:
            part.unread(buffer[head.offset :])
            return head
        enough = max(2 * len(buffer), _FIRST_LOOK)


async def _identifiers(part: Part, transfer_syntax_uid: str, *, study: bool) -> Identifiers:
    """Look for UIDs in the beginning of the data set, which is left in the part.

    Raises:
        BadDataset: no data set, or they do not stand in its first `LOOK` bytes.
    """
    buffer, enough = b"", 0
    while True:
        more = await part.read()
        buffer += more
        if more and len(buffer) < enough:
            continue
        found = look(buffer, transfer_syntax_uid, study=study, complete=not more)
        if found is not None:
            part.unread(buffer)
            return found
        if len(buffer) > LOOK:
            raise BadDataset("its UIDs do not stand within the first 4 MiB")
        enough = max(2 * len(buffer), _FIRST_LOOK)
