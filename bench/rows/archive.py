"""The rows of an archive: the same clients against each server."""

from functools import partial

from bench.clients import FRAME, JPEG, JSON, PARTS
from bench.row import MEGABYTES, MILLISECONDS, RATE, SECONDS, Row, Stage, Target
from bench.rows import asks, stores
from bench.system import Ability

GROUP = "archive"
ANSWER = "the same client; a bare socket with the answer ready"
KEPT = "the same client; each file fdatasync and fsync of its folder, no index, nothing looked at"
PDUS = "the same client; ready PDUs by sendfile, each after the answer to the one before"


def _faster(times: float) -> Target:
    return Target("faster", times, "Orthanc")


def _connections(number: int) -> str:
    return "1 connection" if number == 1 else f"{number} connections"


_row = partial(Row, group=GROUP)
_small = partial(_row, unit=RATE, floor=ANSWER)
_store = partial(_row, unit=SECONDS, stage=Stage.STORE)

ROWS = (
    _row(
        name="idle memory",
        asked="nothing; resident memory one second after the start",
        unit=MEGABYTES,
        contestants=asks.idle,
        targets=(Target("bound", 120),),
        stage=Stage.START,
    ),
    _row(
        name="peak memory with the multi-frame object",
        asked="in by storescu, out by curl (WADO-RS) and getscu",
        unit=MEGABYTES,
        contestants=asks.big_object,
        targets=(Target("bound", 150),),
        stage=Stage.START,
    ),
    _row(
        name="first frame of the multi-frame object",
        asked="one frame, right after it was stored",
        unit=MILLISECONDS,
        contestants=asks.first_frame,
        targets=(Target("bound", 20),),
        stage=Stage.START,
    ),
    _store(
        name="C-STORE CT study, 1 association",
        asked="storescu",
        contestants=stores.store(stores.ct),
        targets=(_faster(2.5),),
        floor=KEPT,
    ),
    _store(
        name="C-STORE CT study, 4 associations",
        asked="4 storescu at once, a quarter each; not dcmqrscp, in which instances that come at "
        "once get one file name: it refuses or loses them",
        contestants=stores.store(stores.ct, 4, Ability.AT_ONCE),
        targets=(_faster(2),),
        floor=KEPT + "; a process for each",
    ),
    _store(
        name="C-STORE small studies",
        asked="storescu, one association, one instance of each",
        contestants=stores.store(stores.small, 1, Ability.MANY),
        targets=(_faster(4),),
        floor=KEPT,
    ),
    _store(
        name="C-STORE small studies, Nagle client",
        asked="storescu without TCP_NODELAY sends a few; the rest is reckoned",
        contestants=stores.nagle,
        targets=(_faster(50),),
        floor=KEPT,
    ),
    _store(
        name="STOW-RS CT study, one request",
        asked="curl",
        contestants=stores.stow(None),
        targets=(_faster(3),),
        floor=KEPT + "; synced by 4 threads while more comes",
    ),
    _store(
        name="STOW-RS CT study, 10 instances a request",
        asked="curl, one connection, one request after another",
        contestants=stores.stow(10),
        targets=(_faster(3),),
        floor=KEPT + "; synced by 4 threads while more comes",
    ),
    *(
        _small(
            name=f"QIDO-RS studies, limit=100, {_connections(connections)}",
            asked="/studies?limit=100",
            contestants=asks.small(asks.hundred, JSON, connections, RATE),
            targets=(_faster(100),),
        )
        for connections in (1, 8)
    ),
    *(
        _small(
            name=f"QIDO-RS by UID, {_connections(connections)}",
            asked="/studies?StudyInstanceUID=…, another one each time",
            contestants=asks.small(asks.by_uid, JSON, connections, RATE),
            targets=(_faster(10),),
        )
        for connections in (1, 8)
    ),
    _row(
        name="WADO-RS CT study",
        asked="curl",
        unit=SECONDS,
        contestants=asks.wado_study,
        targets=(_faster(1.5),),
        floor=ANSWER,
    ),
    _row(
        name="series metadata of the CT study",
        asked="/studies/…/series/…/metadata, median",
        unit=SECONDS,
        contestants=asks.small(asks.metadata, JSON, 1, SECONDS),
        targets=(_faster(25), Target("bound", 0.010)),
        floor=ANSWER,
    ),
    *(
        _small(
            name=f"WADO-RS single instance, {_connections(connections)}",
            asked="one slice after another",
            contestants=asks.small(asks.instances, PARTS, connections, RATE),
            targets=(_faster(3),),
        )
        for connections in (1, 4)
    ),
    _small(
        name="one frame of the multi-frame object",
        asked="one frame after another, from the middle on",
        contestants=asks.small(asks.frames, FRAME, 1, RATE),
        targets=(_faster(500), Target("bound", 2000)),
    ),
    _small(
        name="rendered JPEG",
        asked="/instances/…/rendered, one slice after another",
        contestants=asks.small(asks.rendered, JPEG, 1, RATE),
        targets=(_faster(2),),
    ),
    _row(
        name="C-FIND all studies",
        asked="findscu",
        unit=SECONDS,
        contestants=asks.each(asks.find, Ability.FIND, Ability.MANY),
        targets=(_faster(3),),
        floor="the same client; all PDUs ready, sent at once",
    ),
    _row(
        name="C-GET CT study",
        asked="getscu",
        unit=SECONDS,
        contestants=asks.each(asks.get, Ability.GET),
        targets=(_faster(1.5),),
        floor=PDUS,
    ),
    _row(
        name="C-MOVE CT study",
        asked="movescu, to a storescp that forgets",
        unit=SECONDS,
        contestants=asks.each(asks.move, Ability.MOVE),
        targets=(_faster(1.3),),
        floor=PDUS,
    ),
)
