"""What the quirky PACS holds: which matches and which instances it gives, and how written."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import orjson
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from tests.contract.made import Made, encoded
from tests.quirks.switches import Quirks

from hilum.backends.memory import Memory
from hilum.codec import identifier
from hilum.codec.answer import Answers
from hilum.codec.dicom_json import Attributes
from hilum.codec.identifier import Identifier
from hilum.codec.sop_class import EXPLICIT_LE, IMPLICIT_LE
from hilum.model.errors import BadQuery
from hilum.model.identity import Level, Ref
from hilum.model.instance import Instance
from hilum.model.match import Match
from hilum.model.query import Query

MODALITIES = (0x00080061,)
STRANGER = "1.2.826.0.1.3680043.10.1777.666.666.666"
"""SOP Instance UID of the instance that nobody asked for."""


@dataclass(frozen=True, slots=True)
class Held:
    """One instance as it goes out."""

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    data: bytes

    def instance(self) -> Instance:
        """To be sent once."""
        made = Made(self.data, self.sop_class_uid, self.sop_instance_uid, self.transfer_syntax_uid)
        return made.instance()


class Holding:
    """The instances, and what the quirks make of them.

    Args:
        ae_title: Retrieve AE Title of the answers.
        stranger: what is sent though nobody asked for it.
    """

    def __init__(self, ae_title: str, stranger: Made) -> None:
        self.memory = Memory(ae_title)
        self._ae_title = ae_title
        self._stranger = Held(
            stranger.sop_instance_uid,
            stranger.sop_class_uid,
            stranger.transfer_syntax_uid,
            stranger.data,
        )

    async def fill(self, instances: Iterable[Made]) -> None:
        """Take instances in."""
        for each in instances:
            stored = await self.memory.store(each.instance())
            assert stored.failure is None, stored.failure

    async def matches(
        self, says: Identifier, quirks: Quirks, *, patient_root: bool
    ) -> list[Attributes]:
        """The answers to a C-FIND.

        Raises:
            BadQuery: to be told as A900.
        """
        if quirks.no_image_level and says.level is Level.IMAGE:
            raise BadQuery("no IMAGE level here")
        if quirks.no_patient_level and says.level is Level.PATIENT:
            raise BadQuery("no PATIENT level here")
        query = identifier.to_query(says, patient_root=patient_root, relational=quirks.relational)
        if quirks.no_lists and "\\" in query.match.get(MODALITIES, ""):
            return []
        async with self.memory.find(_without(query, quirks.ignores)) as found:
            matches: list[Match] = [each async for each in found]
        answers = [orjson.loads(each.dicom_json()) for each in matches]
        if quirks.duplicates:
            answers = [each for each in answers for _ in range(2)]
        return answers[: quirks.cap]

    def ignored(self, says: Identifier, quirks: Quirks) -> bool:
        """Whether a key of the query was not looked at."""
        return any(value and path[-1] in quirks.ignores for path, value in says.keys.items())

    async def chosen(self, refs: Sequence[Ref], quirks: Quirks) -> list[Held]:
        """What goes out for a C-GET or C-MOVE, in order; the failing ones too."""
        if quirks.ignores_level:
            refs = [Ref(study=await self._study_of(ref)) for ref in refs]
        async with self.memory.retrieve(refs) as retrieval:
            found = [
                Held(
                    each.sop_instance_uid,
                    each.sop_class_uid,
                    each.transfer_syntax_uid,
                    b"".join([piece async for piece in each.chunks]),
                )
                async for each in retrieval.instances
            ]
        found = found[: quirks.only]
        if quirks.twice:
            found = found[:1] + found
        return [self._stranger, *found] if quirks.stranger else found

    async def _study_of(self, ref: Ref) -> str | None:
        """The study, where only a series or an instance was named."""
        if ref.study is not None:
            return ref.study
        named = {(0x0020000E,): ref.series, (0x00080018,): ref.instance}
        match = {path: uid for path, uid in named.items() if uid is not None}
        async with self.memory.find(Query(level=Level.IMAGE, match=match)) as found:
            async for each in found:
                return str(orjson.loads(each.dicom_json())["0020000D"]["Value"][0])
        return None


def _without(query: Query, ignores: frozenset[int]) -> Query:
    """The query without the keys that are not looked at; they are returned all the same."""
    match = {path: value for path, value in query.match.items() if path[-1] not in ignores}
    gone = frozenset(path for path in query.match if path[-1] in ignores)
    return replace(query, match=match, include=query.include | gone)


def written(
    says: Identifier, attributes: Attributes, quirks: Quirks, syntax: str, ae_title: str
) -> bytes:
    """One answer, in the character set that the quirks say, or as it was asked in."""
    if not quirks.charset:
        return Answers(says, syntax, ae_title).encode(attributes)
    unicode = Identifier(says.level, says.keys, ("ISO_IR 192",))
    utf8 = Answers(unicode, syntax, ae_title).encode(attributes)
    explicit = syntax != IMPLICIT_LE
    answer = read_dataset(
        DicomBytesIO(utf8), is_implicit_VR=not explicit, is_little_endian=True, bytelength=len(utf8)
    )
    answer.decode()
    answer.SpecificCharacterSet = quirks.charset.split("\\")
    return redeclared(encoded(answer, syntax), quirks.declares, explicit=explicit)


def redeclared(data: bytes, charset: str | None, *, explicit: bool) -> bytes:
    """The same bytes with another Specific Character Set, which is their first element.

    Args:
        data: explicit or implicit little endian.
        charset: its value; None: without the element.
        explicit: which of the two.
    """
    assert data[:4] == b"\x08\x00\x05\x00"
    length = int.from_bytes(data[6:8] if explicit else data[4:8], "little")
    rest = data[8 + length :]
    if charset is None:
        return rest
    value = charset.encode() + b" " * (len(charset) & 1)
    size = len(value)
    head = b"CS" + size.to_bytes(2, "little") if explicit else size.to_bytes(4, "little")
    return b"\x08\x00\x05\x00" + head + value + rest


def failed_list(uids: Sequence[str], syntax: str) -> bytes:
    """The identifier of a final response: Failed SOP Instance UID List (0008,0058)."""
    value = "\\".join(uids).encode()
    value += b"\0" * (len(value) & 1)
    if syntax == EXPLICIT_LE:
        return b"\x08\x00\x58\x00UI" + len(value).to_bytes(2, "little") + value
    return b"\x08\x00\x58\x00" + len(value).to_bytes(4, "little") + value
