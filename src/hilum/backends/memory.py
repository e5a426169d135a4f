"""The smallest backend: everything in a dict, for tests and demos.

It is plain on purpose, and shares no matching with the archive: where both agree, both are right.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any, Final

from hilum.backends.memory_matching import Attributes, all_hold, check, number
from hilum.codec import dicom_json
from hilum.codec.deflate import inflate
from hilum.codec.header import WORD, swapped, syntax_of
from hilum.core.backend import BulkData, Found, Lent, Retrieval
from hilum.core.operations import Originator
from hilum.model.errors import BadDataset, ClassMismatch, Conflict, HilumError, NotFound
from hilum.model.identity import Level, Ref, is_uid
from hilum.model.instance import CHUNK, Instance, Listed
from hilum.model.match import Match
from hilum.model.outcome import Stored
from hilum.model.query import Path, Query

_STUDY, _SERIES, _INSTANCE, _PATIENT = "0020000D", "0020000E", "00080018", "00100020"
_KEYS: Final = {  # what makes two instances belong to one entity
    Level.PATIENT: (_PATIENT, "00100021"),
    Level.STUDY: (_STUDY,),
    Level.SERIES: (_STUDY, _SERIES),
    Level.IMAGE: (_INSTANCE,),
}
_PATIENT_DEFAULTS = "00100010 00100020 00100030 00100040 "
_STUDY_DEFAULTS = _PATIENT_DEFAULTS + (
    "00080020 00080030 00080050 00080054 00080056 00080061 00080090 00080201 0020000D 00200010 "
    "00201206 00201208 "
)
_SERIES_DEFAULTS = _STUDY_DEFAULTS + (
    "00080060 0008103E 0020000E 00200011 00201209 00400244 00400245 00400275 "
)
_DEFAULTS: Final = {  # PS3.18 Tables 10.6.3-3 to 10.6.3-5
    Level.PATIENT: (_PATIENT_DEFAULTS + "00080054 00080056 00201200 00201202 00201204").split(),
    Level.STUDY: _STUDY_DEFAULTS.split(),
    Level.SERIES: _SERIES_DEFAULTS.split(),
    Level.IMAGE: (
        _SERIES_DEFAULTS + "00080016 00080018 00200013 00280008 00280010 00280011 00280100"
    ).split(),
}


@dataclass(frozen=True, slots=True)
class _Kept:
    """One instance: its bytes and its metadata."""

    data: bytes
    sop_class_uid: str
    transfer_syntax_uid: str
    attributes: Attributes

    def value(self, tag: str) -> str:
        values = self.attributes.get(tag, {}).get("Value") or [""]
        return str(values[0] or "")


class Memory:
    """Implements all of `core.backend` but Send.

    Args:
        ae_title: RetrieveAETitle (0008,0054) of its answers.
    """

    def __init__(self, ae_title: str = "MEMORY") -> None:
        self._ae_title = ae_title
        self._kept: dict[str, _Kept] = {}

    async def echo(self) -> None:
        """Memory is always alive."""

    @asynccontextmanager
    async def open(
        self,
        _contexts: Sequence[tuple[str, str]] = (),
        _originator: Originator | None = None,
        /,
    ) -> AsyncIterator["Memory"]:
        """See `core.backend.Stores`; another data set under a known UID is refused."""
        yield self

    async def store(self, instance: Instance, /) -> Stored:
        """See `core.backend.StoreSession`."""
        data = b"".join([chunk async for chunk in instance.chunks])
        try:
            return self._store(instance, data)
        except HilumError as error:
            return Stored(
                sop_class_uid=instance.sop_class_uid,
                sop_instance_uid=instance.sop_instance_uid,
                failure=error,
            )

    def _store(self, instance: Instance, data: bytes) -> Stored:
        described = dicom_json.from_encoded(data, instance.transfer_syntax_uid)
        kept = _Kept(data, "", instance.transfer_syntax_uid, described.attributes)
        uids = [kept.value(tag) for tag in ("00080016", _INSTANCE, _STUDY, _SERIES)]
        if not all(uid and is_uid(uid) for uid in uids):
            raise BadDataset("an identifier is missing or malformed")
        announced = (instance.sop_class_uid, instance.sop_instance_uid)
        if any(told and told != uid for told, uid in zip(announced, uids, strict=False)):
            raise ClassMismatch("the data set is not what was announced")
        kept = _Kept(data, uids[0], instance.transfer_syntax_uid, described.attributes)
        there = self._kept.setdefault(uids[1], kept)
        if (there.data, there.transfer_syntax_uid) != (data, kept.transfer_syntax_uid):
            raise Conflict("another data set is kept under this SOP Instance UID")
        cut = ("the data set ends within an element",) if described.truncated else ()
        return Stored(
            sop_class_uid=uids[0],
            sop_instance_uid=uids[1],
            study_instance_uid=uids[2],
            series_instance_uid=uids[3],
            warnings=(*described.warnings, *cut),
        )

    async def delete(self, ref: Ref, /) -> int:
        """See `core.backend.Deletes`."""
        found = self._below(ref)
        if not found:
            raise NotFound("nothing is kept under these UIDs")
        for each in found:
            del self._kept[each.value(_INSTANCE)]
        return len(found)

    @asynccontextmanager
    async def find(self, query: Query, /) -> AsyncIterator[Found]:
        """See `core.backend.Finds`."""
        found = list(self._found(query))
        end = None if query.limit is None else query.offset + query.limit
        yield Found(_each(found[query.offset : end]))

    def _found(self, query: Query) -> Iterator[Match]:
        wishes = {path: value for path, value in query.match.items() if value.strip("* \\")}
        for path, value in wishes.items():
            check(path, value)
        for group in self._groups(_KEYS[query.level]):
            known = [each.attributes | self._computed(each) for each in group]
            if any(all_hold(each, wishes, fuzzy=query.fuzzy) for each in known):
                yield _Match(query, known, _url(query.level, group[0]))

    def _groups(self, keys: Sequence[str]) -> list[list[_Kept]]:
        """Instances by the values of attributes, in the order in which they came."""
        groups: dict[tuple[str, ...], list[_Kept]] = {}
        for each in self._kept.values():
            groups.setdefault(tuple(each.value(key) for key in keys), []).append(each)
        return list(groups.values())

    def _computed(self, kept: _Kept) -> Attributes:
        """The attributes that no data set has."""

        def below(level: Level) -> list[_Kept]:
            keys = _KEYS[level]
            mine = [kept.value(key) for key in keys]
            return [each for each in self._kept.values() if [each.value(k) for k in keys] == mine]

        def count(instances: list[_Kept], *keys: str) -> dict[str, Any]:
            return {"vr": "IS", "Value": [len({tuple(map(i.value, keys)) for i in instances})]}

        patient, study, series = below(Level.PATIENT), below(Level.STUDY), below(Level.SERIES)
        modalities = sorted({each.value("00080060") for each in study} - {""})
        classes = sorted({each.sop_class_uid for each in study})
        return {
            "00080054": {"vr": "AE", "Value": [self._ae_title]},
            "00080056": {"vr": "CS", "Value": ["ONLINE"]},
            "00080061": {"vr": "CS", "Value": modalities} if modalities else {"vr": "CS"},
            "00080062": {"vr": "UI", "Value": classes},
            "00201200": count(patient, _STUDY),
            "00201202": count(patient, _STUDY, _SERIES),
            "00201204": count(patient, _INSTANCE),
            "00201206": count(study, _SERIES),
            "00201208": count(study, _INSTANCE),
            "00201209": count(series, _INSTANCE),
        }

    def _below(self, ref: Ref) -> list[_Kept]:
        asked = {_PATIENT: ref.patient, _STUDY: ref.study, _SERIES: ref.series}
        asked[_INSTANCE] = ref.instance
        given = {tag: uid for tag, uid in asked.items() if uid is not None}
        if not given:
            return []
        found = [k for k in self._kept.values() if all(k.value(t) == u for t, u in given.items())]
        return sorted(found, key=lambda kept: number(kept.value("00200013")) or 0)

    @asynccontextmanager
    async def retrieve(self, refs: Sequence[Ref], /) -> AsyncIterator[Retrieval]:
        """See `core.backend.Retrieves`."""
        found = {each.value(_INSTANCE): each for ref in refs for each in self._below(ref)}
        manifest = [
            Listed(uid, each.sop_class_uid, each.transfer_syntax_uid, len(each.data))
            for uid, each in found.items()
        ]
        instances = [
            Instance(uid, k.sop_class_uid, k.transfer_syntax_uid, _chunks(k.data), len(k.data))
            for uid, k in found.items()
        ]
        yield Retrieval(manifest, _each(instances))

    @asynccontextmanager
    async def describe(self, ref: Ref, bulk_root: str, /) -> AsyncIterator[AsyncIterator[bytes]]:
        """See `core.backend.Describes`."""

        def json(kept: _Kept) -> bytes:
            return dicom_json.dumps(
                _with_bulk(kept.attributes, bulk_root + _url(Level.IMAGE, kept))
            )

        yield _each([json(kept) for kept in self._below(ref)])

    @asynccontextmanager
    async def bulk(self, ref: Ref, path: Path, /) -> AsyncIterator[BulkData]:
        """See `core.backend.Describes`."""
        found = self._below(ref) if ref.instance is not None else []
        if len(found) != 1:
            raise NotFound("no such instance")
        data, syntax = found[0].data, found[0].transfer_syntax_uid
        text = "/".join(f"{part:08X}" if not at % 2 else f"{part}" for at, part in enumerate(path))
        offset, length, vr, encapsulated = dicom_json.bulk_at(data, syntax, text)
        plain = inflate(data)[0] if syntax_of(syntax).deflated else data
        value = bytes(plain[offset : offset + length])
        if syntax_of(syntax).big and not encapsulated and vr in WORD:
            value = swapped(value, WORD[vr])
        yield BulkData(syntax, len(value), _chunks(value), encapsulated)

    @asynccontextmanager
    async def lend(self, ref: Ref, /) -> AsyncIterator[Lent]:
        """See `core.backend.Lends`; each time in a new file."""
        found = self._below(ref) if ref.instance is not None else []
        if len(found) != 1:
            raise NotFound("no such instance")
        kept, uid = found[0], found[0].value(_INSTANCE)
        with tempfile.TemporaryDirectory(prefix="hilum-") as folder:
            path = File(folder) / "lent"
            await asyncio.to_thread(path.write_bytes, kept.data)
            yield Lent(
                path=str(path),
                offset=0,
                size=len(kept.data),
                sop_class_uid=kept.sop_class_uid,
                sop_instance_uid=uid,
                transfer_syntax_uid=kept.transfer_syntax_uid,
                key=f"memory {id(self)} {uid}",
            )


async def _each(things: Sequence[Any]) -> AsyncIterator[Any]:
    for thing in things:
        await asyncio.sleep(0)  # as a real backend would, let others run
        yield thing


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), CHUNK):
        yield data[start : start + CHUNK]


def _url(level: Level, kept: _Kept) -> str:
    """The path of an entity's resource; "" for a patient."""
    names = [("studies", _STUDY), ("series", _SERIES), ("instances", _INSTANCE)]
    depth = [Level.PATIENT, Level.STUDY, Level.SERIES, Level.IMAGE].index(level)
    return "".join(f"/{name}/{kept.value(tag)}" for name, tag in names[:depth])


def _with_bulk(node: Any, url: str) -> Any:  # noqa: ANN401 - any JSON
    """The same metadata, bulk data referred to below `url`."""
    if isinstance(node, list):
        return [_with_bulk(each, url) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: url + value if key == "BulkDataURI" else _with_bulk(value, url)
        for key, value in node.items()
    }


class _Match:
    """One match: what all instances of an entity agree on, as far as it was asked for."""

    def __init__(self, query: Query, known: Sequence[Attributes], path: str) -> None:
        first = known[0]
        wanted = {f"{each[0]:08X}" for each in (*query.include, *query.match)}
        wanted.update(_DEFAULTS[query.level])
        self._path = path
        self._attributes = {
            tag: first[tag]
            for tag in sorted(first)
            if (tag in wanted or query.include_all)
            and all(each.get(tag) == first[tag] for each in known)
        }

    def dicom_json(self, retrieve_root: str | None = None) -> bytes:
        """See `model.match.Match`."""
        attributes = dict(self._attributes)
        if retrieve_root is None or not self._path:
            attributes = {t: e for t, e in attributes.items() if "BulkDataURI" not in e}
        else:
            url = retrieve_root + self._path
            attributes = _with_bulk(attributes, url)
            attributes["00081190"] = {"vr": "UR", "Value": [url]}
        return dicom_json.dumps(dict(sorted(attributes.items())))

    def decoded(self) -> Attributes:
        """See `model.match.Match`."""
        return dicom_json.loads(self.dicom_json())
