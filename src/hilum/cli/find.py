"""`hilum find`: search a peer."""

import sys
from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from hilum.backends.dimse import find as dimse
from hilum.backends.dimse.asking import wanted
from hilum.cli.common import ConfigOption, JsonOption
from hilum.cli.scu.asked import Asked, KeysOption, LevelOption, ModelOption, RelationalOption, asked
from hilum.cli.scu.calling import (
    CalledOption,
    CallingOption,
    PeerArgument,
    TimeoutOption,
    associated,
    whom,
)
from hilum.cli.scu.ending import MISUSE, Misuse, end, printable, run
from hilum.cli.scu.table import show
from hilum.codec import dicom_json
from hilum.codec.dicom_json import Attributes
from hilum.codec.identifier import UNIQUE_KEYS
from hilum.codec.sop_class import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from hilum.model.errors import BadDataset, HilumError
from hilum.model.identity import Level
from hilum.upper_layer.requestor import Remote

command = typer.Typer(add_completion=False)
_USUAL: Mapping[Level, tuple[int, ...]] = {
    # name, id, birth date, sex, studies
    Level.PATIENT: (0x00100010, 0x00100020, 0x00100030, 0x00100040, 0x00201200),
    # patient; date, time, accession number, modalities, description, UID, series, instances
    Level.STUDY: (
        *(0x00100010, 0x00100020, 0x00080020, 0x00080030, 0x00080050, 0x00080061, 0x00081030),
        *(0x0020000D, 0x00201206, 0x00201208),
    ),
    # number, modality, description, UID, instances
    Level.SERIES: (0x00200011, 0x00080060, 0x0008103E, 0x0020000E, 0x00201209),
    # number, class, UID, frames
    Level.IMAGE: (0x00200013, 0x00080016, 0x00080018, 0x00280008),
}


@command.command()
def find(  # noqa: PLR0913 - a command line has that many options
    peer: PeerArgument,
    *,
    keys: KeysOption = None,
    level: LevelOption = None,
    model: ModelOption = None,
    relational: RelationalOption = False,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Cancel after so many answers.")
    ] = None,
    called: CalledOption = None,
    calling: CallingOption = None,
    timeout: TimeoutOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search a peer by C-FIND, for studies unless --level says otherwise.

    A key without a value asks for the attribute; with no such key the usual ones are asked for.
    With --json the answers come as an array in DICOM JSON.

    Ends with 0 when the search ended well, 1 when it failed, 2 for a wrong command line, 3 when
    there is no connection or the association is rejected.
    """
    try:
        to = whom(peer, config, called, calling, timeout)
        what = _with_usual(asked(keys, level, model, Level.STUDY), relational=relational)
    except Misuse as error:
        end(MISUSE, *str(error).splitlines())
    columns = list(dict.fromkeys(path[0] for path in what.keys))
    answers: list[Attributes] = []
    written = 0

    def take(attributes: Attributes) -> None:
        nonlocal written
        if as_json:
            print("[" if not written else ",", dicom_json.dumps(attributes).decode(), sep="\n")
        else:
            answers.append(attributes)
        written += 1

    try:
        run(_find(to, what, take, relational=relational, limit=limit))
    finally:
        if as_json:
            print("]" if written else "[]", flush=True)
        elif answers:
            show(answers, columns)
    if not as_json:
        print(f"{written} found")


def _with_usual(what: Asked, *, relational: bool) -> Asked:
    """With the unique keys, and the usual attributes where none is asked for."""
    levels = list(Level)[0 if what.patient_root else 1 :]
    above = levels[: levels.index(what.level)] if relational else []
    keys = {**what.keys}
    if all(what.keys.values()):
        keys |= {(tag,): "" for tag in _USUAL[what.level] if (tag,) not in keys}
    for each in (*above, what.level):
        keys.setdefault((UNIQUE_KEYS[each],), "")
    return Asked(what.level, what.patient_root, keys)


async def _find(
    to: Remote,
    what: Asked,
    take: Callable[[Attributes], None],
    *,
    relational: bool,
    limit: int | None,
) -> None:
    uid = PATIENT_ROOT_FIND if what.patient_root else STUDY_ROOT_FIND
    extended = {uid: dimse.RELATIONAL} if relational else {}
    async with associated(to, [wanted(uid)], extended=extended) as association:
        if relational and association.remote.extended.get(uid, b"\0")[:1] != dimse.RELATIONAL:
            _say("the peer did not agree on relational queries")
        finding = dimse.find(association, what.level, what.keys, patient_root=what.patient_root)
        count = 0
        async with finding as answers:
            try:
                async for answer in answers:
                    try:
                        take(answer.described().attributes)
                    except BadDataset as error:
                        _say(f"an answer cannot be read: {error}")
                        continue
                    count += 1
                    if count == limit:
                        break
            except HilumError:
                if answers.comment:
                    _say(f"the peer's comment: {answers.comment}")
                raise
            if answers.keys_ignored:
                _say("the peer does not support every key that was asked for")


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr)
