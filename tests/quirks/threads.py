"""The quirky PACS on pynetdicom, in threads: the quirks that it can have."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.uid import UID
from pynetdicom import _config, evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.presentation import build_context
from tests.quirks.holding import Held, written
from tests.quirks.pacs import HOST, Asked, Pacs
from tests.quirks.switches import Cancel, Point, Quirks

from hilum.backends.dimse.contexts import CLASSES
from hilum.codec import identifier
from hilum.codec.sop_class import (
    EXPLICIT_LE,
    FIND,
    GET,
    IMPLICIT_LE,
    MOVE,
    PATIENT_ROOT,
    VERIFICATION,
)
from hilum.model.errors import BadQuery

_config.LOG_RESPONSE_IDENTIFIERS = False  # to be logged they are decoded, which warns
CAN = frozenset(
    (
        *(
            "slow",
            "after",
            "stalls",
            "spares_queries",
            "nothing",
            "only",
            "twice",
            "stranger",
            "ignores_level",
        ),
        *("endless", "cap", "ignores", "tells_ignored", "duplicates", "charset", "declares"),
        *("no_lists", "no_image_level", "no_patient_level", "relational", "cancel"),
        *("cancel_delay", "refuses", "no_roles", "callers", "max_pdu"),
    )
)
"""The quirks, by name, that this make can have."""
POINTS = frozenset((Point.REQUEST, Point.BETWEEN, Point.FINAL))
"""Where it can stall."""
SUCCESS, PENDING, WITHOUT_KEYS, CANCELLED = 0x0000, 0xFF00, 0xFF01, 0xFE00
WRONG, UNKNOWN_DESTINATION = 0xA900, 0xA801
PACE = 0.005  # seconds between two endless answers


def check(quirks: Quirks) -> None:
    """Raise ValueError for what this make cannot do."""
    plain = Quirks()
    changed = {
        each.name
        for each in fields(Quirks)
        if getattr(quirks, each.name) != getattr(plain, each.name)
    }
    if changed - CAN or (quirks.stalls is not None and quirks.stalls not in POINTS):
        raise ValueError(f"pynetdicom cannot have these quirks: {sorted(changed)}")


@contextmanager
def serving(pacs: Pacs) -> Iterator[None]:
    """Listen; `pacs.quirks` of the association are those of the start."""
    check(pacs.quirks)
    quirks = pacs.quirks
    ae = ApplicationEntity(pacs.aet)
    ae.maximum_pdu_size = quirks.max_pdu
    ae.network_timeout = ae.dimse_timeout = ae.acse_timeout = 30
    for uid in {VERIFICATION, *FIND, *MOVE, *GET} - quirks.refuses:
        ae.add_supported_context(uid, [EXPLICIT_LE, IMPLICIT_LE])
    for uid in CLASSES:
        if uid not in quirks.refuses:
            roles = {} if quirks.no_roles else {"scu_role": True, "scp_role": True}
            ae.add_supported_context(uid, [EXPLICIT_LE, IMPLICIT_LE], **roles)
    if quirks.callers is not None:
        ae.require_calling_aet = list(quirks.callers)
    handlers = [
        (evt.EVT_C_ECHO, lambda event: _echo(pacs, event)),
        (evt.EVT_C_STORE, lambda event: _store(pacs, event)),
        (evt.EVT_C_FIND, lambda event: _find(pacs, event)),
        (evt.EVT_C_GET, lambda event: _get(pacs, event)),
        (evt.EVT_C_MOVE, lambda event: _move(pacs, event)),
        (evt.EVT_CONN_OPEN, lambda _: _count(pacs, 1)),
        (evt.EVT_CONN_CLOSE, lambda _: _count(pacs, -1)),
    ]
    server = ae.start_server((HOST, 0), block=False, evt_handlers=handlers)
    assert server is not None
    pacs.port = server.server_address[1]
    try:
        yield
    finally:
        pacs.halted.set()
        server.shutdown()


def _count(pacs: Pacs, by: int) -> None:
    pacs.open += by


def _echo(pacs: Pacs, event: Any) -> int:
    pacs.asked.append(Asked("C-ECHO", event.assoc.requestor.ae_title))
    return SUCCESS


def _store(pacs: Pacs, event: Any) -> int:
    request = event.request
    held = Held(
        str(request.AffectedSOPInstanceUID),
        str(request.AffectedSOPClassUID),
        str(event.context.transfer_syntax),
        request.DataSet.getvalue(),
    )
    pacs.asked.append(Asked("C-STORE", event.assoc.requestor.ae_title))
    stored = asyncio.run(pacs.holding.memory.store(held.instance()))
    return SUCCESS if stored.failure is None else 0xC000


def _find(pacs: Pacs, event: Any) -> Iterator[tuple[int, Dataset | None]]:
    quirks, syntax = pacs.quirks, str(event.context.transfer_syntax)
    says = identifier.parse(event.request.Identifier.getvalue(), syntax)
    pacs.asked.append(Asked("C-FIND", event.assoc.requestor.ae_title, says.level, says.keys))
    _stall(pacs, Point.REQUEST, query=True)
    patient_root = str(event.context.abstract_syntax) in PATIENT_ROOT
    try:
        found = asyncio.run(pacs.holding.matches(says, quirks, patient_root=patient_root))
    except BadQuery:
        yield WRONG, None
        return
    told = quirks.tells_ignored and pacs.holding.ignored(says, quirks)
    done = 0
    while True:
        for each in found:
            if _wait(pacs, event):
                yield CANCELLED, None
                return
            if done == quirks.after:
                _stall(pacs, Point.BETWEEN, query=True)
            data = written(says, each, quirks, syntax, pacs.aet)
            yield (WITHOUT_KEYS if told else PENDING), _dataset(data, syntax)
            done += 1
            pacs.answers += 1
        if not quirks.endless or not found or pacs.halted.wait(PACE):
            break
    if _wait(pacs, event):
        yield CANCELLED, None
        return
    _stall(pacs, Point.FINAL, query=True)


def _get(pacs: Pacs, event: Any) -> Iterator[Any]:
    held = _asked_for(pacs, event, "C-GET")
    if held is None:
        yield 0
        yield WRONG, None
        return
    yield len(held)
    yield from _sent(pacs, event, held)


def _move(pacs: Pacs, event: Any) -> Iterator[Any]:
    held = _asked_for(pacs, event, "C-MOVE")
    place = pacs.destinations.get(str(event.move_destination))
    if place is None:
        yield None, None
        return
    needs = {(each.sop_class_uid, each.transfer_syntax_uid) for each in held or ()}
    wanted = [build_context(uid, syntax) for uid, syntax in needs] or [build_context(VERIFICATION)]
    yield (*place, {"contexts": wanted})
    if held is None:
        yield 0
        yield WRONG, None
        return
    yield len(held)
    yield from _sent(pacs, event, held)


def _asked_for(pacs: Pacs, event: Any, name: str) -> list[Held] | None:
    """What goes out; None: the identifier is refused."""
    syntax = str(event.context.transfer_syntax)
    says = identifier.parse(event.request.Identifier.getvalue(), syntax)
    to = str(event.move_destination) if name == "C-MOVE" else ""
    calling = event.assoc.requestor.ae_title
    pacs.asked.append(Asked(name, calling, says.level, says.keys, to))
    _stall(pacs, Point.REQUEST)
    try:
        patient_root = str(event.context.abstract_syntax) in PATIENT_ROOT
        refs = identifier.to_refs(says, patient_root=patient_root)
    except BadQuery:
        return None
    if pacs.quirks.nothing:
        return []
    return asyncio.run(pacs.holding.chosen(refs, pacs.quirks))


def _sent(pacs: Pacs, event: Any, held: list[Held]) -> Iterator[tuple[int, Dataset | None]]:
    for at, each in enumerate(held):
        if _wait(pacs, event):
            yield CANCELLED, None
            return
        if at == pacs.quirks.after:
            _stall(pacs, Point.BETWEEN)
        pacs.sent.append(each.sop_instance_uid)
        found = _dataset(each.data, each.transfer_syntax_uid)
        found.file_meta = FileMetaDataset()
        found.file_meta.TransferSyntaxUID = UID(each.transfer_syntax_uid)
        yield PENDING, found
    _stall(pacs, Point.FINAL)


def _wait(pacs: Pacs, event: Any) -> bool:
    """Be as slow as the quirks say; whether a C-CANCEL is to be honoured now."""
    quirks = pacs.quirks
    if quirks.slow:
        time.sleep(quirks.slow)
    if not event.is_cancelled:
        return False
    pacs.cancels += 1
    if quirks.cancel is Cancel.IGNORED:
        return False
    pacs.halted.wait(quirks.cancel_delay)
    if quirks.cancel is Cancel.ABORTED:
        event.assoc.abort()
    return True


def _stall(pacs: Pacs, point: Point, *, query: bool = False) -> None:
    if pacs.quirks.stalls is point and not (query and pacs.quirks.spares_queries):
        pacs.halted.wait()


def _dataset(data: bytes, syntax: str) -> Dataset:
    """The data set, whose raw elements go out as they are."""
    return read_dataset(
        DicomBytesIO(data),
        is_implicit_VR=syntax == IMPLICIT_LE,
        is_little_endian=True,
        bytelength=len(data),
    )
