"""The rows that DIMSE has."""

from collections.abc import AsyncIterator, Sequence

from hilum.backends.dimse import contexts, retrieve
from hilum.backends.dimse import echo as echoing
from hilum.backends.dimse import find as finding
from hilum.backends.dimse.remote import remote
from hilum.backends.dimse.store import PeerStores
from hilum.cli.walk.receiver import Basket, receiver
from hilum.cli.walk.row import Failed, Row, Walk, counted, ourselves
from hilum.cli.walk.study import Slice
from hilum.codec.question import keys_of
from hilum.codec.sop_class import EXPLICIT_LE, PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from hilum.model.identity import Level, Ref
from hilum.model.instance import Instance
from hilum.model.query import Path
from hilum.upper_layer.requestor import Remote, associate

_WHAT = {
    Level.PATIENT: "patient",
    Level.STUDY: "study",
    Level.SERIES: "series",
    Level.IMAGE: "instance",
}


def _broker(walk: Walk) -> Remote:
    return remote(ourselves(walk.settings, walk.called, walk.host), walk.caller)


async def _echo(walk: Walk) -> str:
    async with associate(_broker(walk), [echoing.CONTEXT]) as association:
        await echoing.echo(association)
        version = association.remote.implementation_version_name
    return f"{_broker(walk).called} lives: {version}"


async def _store(walk: Walk) -> str:
    slices = walk.dimse_study.slices
    needs = [(each.sop_class_uid, EXPLICIT_LE) for each in slices]
    async with PeerStores(_broker(walk)).open(needs) as session:
        for each in slices:
            stored = await session.store(
                Instance(
                    sop_instance_uid=each.sop_instance_uid,
                    sop_class_uid=each.sop_class_uid,
                    transfer_syntax_uid=EXPLICIT_LE,
                    chunks=_once(each.encoded),
                )
            )
            if stored.failure is not None:
                raise Failed(str(stored.failure))
    return f"{counted(len(slices), 'instance')} stored"


async def _once(encoded: bytes) -> AsyncIterator[bytes]:
    yield encoded


def _ref(walk: Walk, level: Level) -> Ref:
    """What is asked for at a level: the first of everything in the study that is there."""
    study = walk.stored
    first = study.slices[0]
    if level is Level.PATIENT:
        return Ref(patient=study.patient_id)
    return Ref(
        study=study.uid,
        series=first.series_uid if level in (Level.SERIES, Level.IMAGE) else None,
        instance=first.sop_instance_uid if level is Level.IMAGE else None,
    )


def _below(walk: Walk, level: Level) -> list[Slice]:
    """The slices of what `_ref` names."""
    slices = walk.stored.slices
    if level is Level.IMAGE:
        return list(slices[:1])
    if level is Level.SERIES:
        return [each for each in slices if each.series_uid == slices[0].series_uid]
    return list(slices)


def _find(level: Level, *, relational: bool = False) -> Row:
    async def run(walk: Walk) -> str:
        keys, expected = _question(walk, level, relational=relational)
        patient_root = level is Level.PATIENT
        uid = PATIENT_ROOT_FIND if patient_root else STUDY_ROOT_FIND
        extended = {uid: finding.RELATIONAL} if relational else {}
        found: set[str] = set()
        async with associate(_broker(walk), finding.CONTEXTS, extended=extended) as association:
            search = finding.find(association, level, keys, patient_root=patient_root)
            async with search as answers:
                async for answer in answers:
                    values = answer.described().attributes.get(_UNIQUE[level], {}).get("Value", [])
                    found |= set(values)
        if found != expected:
            raise Failed(f"{counted(len(found), _WHAT[level])}, expected {len(expected)}")
        return counted(len(found), _WHAT[level])

    name = f"C-FIND {level.value}"
    return Row(f"{name}, relational" if relational else name, "dimse", run)


_UNIQUE = {
    Level.PATIENT: "00100020",
    Level.STUDY: "0020000D",
    Level.SERIES: "0020000E",
    Level.IMAGE: "00080018",
}


def _question(walk: Walk, level: Level, *, relational: bool) -> tuple[dict[Path, str], set[str]]:
    """The keys of a search, and the unique keys of what it must find."""
    study = walk.stored
    wanted: dict[Path, str] = {
        (int(_UNIQUE[level], 16),): "",
        (0x00100020,): study.patient_id,
    }
    match level:
        case Level.PATIENT:
            return wanted, {study.patient_id}
        case Level.STUDY:
            return wanted, {study.uid}
        case Level.SERIES:
            above = {} if relational else keys_of(Ref(study=study.uid))
            return {**wanted, **above}, {each.series_uid for each in study.slices}
        case Level.IMAGE if relational:
            return wanted, {each.sop_instance_uid for each in study.slices}
        case Level.IMAGE:
            above = keys_of(_ref(walk, Level.SERIES))
            return {**wanted, **above}, {
                each.sop_instance_uid for each in _below(walk, Level.SERIES)
            }


def _get(level: Level) -> Row:
    async def run(walk: Walk) -> str:
        slices = _below(walk, level)
        storage = contexts.storage([each.sop_class_uid for each in slices], beside=2)
        wanted = [*retrieve.GET_CONTEXTS, *storage.wanted]
        basket = Basket()
        async with associate(_broker(walk), wanted, roles=storage.roles) as association:
            getting = retrieve.get(
                association,
                level,
                keys_of(_ref(walk, level)),
                basket,
                patient_root=level is Level.PATIENT,
            )
            async with getting as retrieval:
                await _followed(retrieval, len(slices))
        _same(basket, slices)
        return f"{counted(len(slices), 'instance')}, as stored"

    return Row(f"C-GET {level.value}", "dimse", run)


def _move(level: Level) -> Row:
    async def run(walk: Walk) -> str:
        slices = _below(walk, level)
        peers = list(walk.settings.peers.values())
        async with (
            associate(_broker(walk), retrieve.MOVE_CONTEXTS) as association,
            receiver(peers) as played,
        ):
            destination = played[0] if played else walk.settings.default_mount
            destination = destination or next(iter(walk.settings.mounts))
            moving = retrieve.move(
                association,
                level,
                keys_of(_ref(walk, level)),
                destination,
                patient_root=level is Level.PATIENT,
            )
            async with moving as retrieval:
                await _followed(retrieval, len(slices))
            if played:
                _same(played[1], slices)
        kept = "as stored" if played else "as no peer's port is free here, to itself"
        return f"{counted(len(slices), 'instance')} to {destination}, {kept}"

    return Row(f"C-MOVE {level.value}", "dimse", run)


def passed_on(destination: str) -> Row:
    """C-MOVE to a destination that the far side knows, and is asked to send to by itself."""

    async def run(walk: Walk) -> str:
        slices = _below(walk, Level.STUDY)
        peers = [peer for peer in walk.settings.peers.values() if peer.aet == destination]
        async with (
            associate(_broker(walk), retrieve.MOVE_CONTEXTS) as association,
            receiver(peers) as played,
        ):
            if played is None:
                raise Failed(f"the port of {destination} is taken")
            keys = keys_of(_ref(walk, Level.STUDY))
            moving = retrieve.move(association, Level.STUDY, keys, destination)
            async with moving as retrieval:
                await _followed(retrieval, len(slices))
            _same(played[1], slices)
        return f"{counted(len(slices), 'instance')} to {destination}, as stored"

    return Row("C-MOVE passed on", "dimse", run)


async def _followed(retrieval: retrieve.Retrieval, expected: int) -> None:
    async for _ in retrieval:
        pass
    now = retrieval.progress
    if now.failed or now.completed != expected:
        why = f": {now.reason}" if now.reason else ""
        raise Failed(f"{now.completed} of {expected} came{why}")


def _same(basket: Basket, slices: Sequence[Slice]) -> None:
    if basket.got != {each.sop_instance_uid: each.encoded for each in slices}:
        raise Failed("what came is not what was stored")


SERVICE = (Row("C-ECHO", "dimse", _echo),)
STORE = (Row("C-STORE", "dimse", _store),)
SEARCH = (*(_find(level) for level in Level), _find(Level.IMAGE, relational=True))
RETRIEVE = (*(_get(level) for level in Level), *(_move(level) for level in Level))
