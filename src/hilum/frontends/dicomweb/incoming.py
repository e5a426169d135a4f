"""What must be known of one part of a STOW-RS request before the mount reads it (PS3.18 §10.5)."""

from contextlib import aclosing
from dataclasses import dataclass, field, replace

from hilum.codec.identifiers import Identifiers
from hilum.codec.media_type import DICOM
from hilum.core.backend import StoreSession
from hilum.frontends.dicomweb import upload
from hilum.frontends.dicomweb.upload import Part
from hilum.model.errors import BadDataset, StudyMismatch, UnsupportedMedia
from hilum.model.instance import Instance
from hilum.model.outcome import Stored
from hilum.net.beginning import head_of, identifiers_of


@dataclass(slots=True)
class Incoming:
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
            BadDataset: it is no instance, or cannot be put together.
            StudyMismatch: it is of another study than `study`.
            BadRequest: the request breaks off.
        """
        self.known = part.known or self.known
        if part.failure is not None:
            raise part.failure
        if not upload.may_be_dicom(part.headers.get("content-type", "")):
            raise UnsupportedMedia(f"this part is not of type {DICOM}")
        head = await head_of(part)
        self.warnings = head.warnings
        self.known = replace(
            self.known, sop_class_uid=head.sop_class_uid, sop_instance_uid=head.sop_instance_uid
        )
        found = await identifiers_of(part, head.transfer_syntax_uid, study=study is not None)
        if found is None:
            raise BadDataset("its UIDs do not stand within the first 4 MiB")
        self._take(found)
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
