"""`hilum get`: bring instances from a peer into a folder."""

import json
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hilum.backends.dimse import contexts
from hilum.backends.dimse import retrieve as dimse
from hilum.backends.dimse.asking import wanted
from hilum.backends.dimse.retrieve import Retrieval
from hilum.backends.dimse.survey import survey
from hilum.cli.common import ConfigOption, JsonOption
from hilum.cli.scu.asked import Asked, KeysOption, LevelOption, ModelOption, RelationalOption, asked
from hilum.cli.scu.bar import bar
from hilum.cli.scu.calling import (
    CalledOption,
    CallingOption,
    PeerArgument,
    TimeoutOption,
    associated,
    whom,
)
from hilum.cli.scu.counts import as_json as counts
from hilum.cli.scu.counts import follow, lines
from hilum.cli.scu.ending import FAILURE, MISUSE, Misuse, end, run
from hilum.cli.scu.folder import Folder
from hilum.codec.sop_class import (
    PATIENT_ROOT_FIND,
    PATIENT_ROOT_GET,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
)
from hilum.model.dictionary import UIDS
from hilum.model.errors import HilumError
from hilum.model.identity import is_uid
from hilum.model.instance import Listed
from hilum.upper_layer.requestor import Remote

command = typer.Typer(add_completion=False)


@command.command()
def get(  # noqa: PLR0913 - a command line has that many options
    peer: PeerArgument,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where the files go.")
    ],
    keys: KeysOption = None,
    level: LevelOption = None,
    model: ModelOption = None,
    relational: RelationalOption = False,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--sop-class",
            metavar="UID|KEYWORD",
            help="What will come, so that every transfer syntax of it can be accepted; repeat it.",
        ),
    ] = None,
    called: CalledOption = None,
    calling: CallingOption = None,
    timeout: TimeoutOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Retrieve instances from a peer by C-GET.

    What: -k StudyInstanceUID=1.2.3, or the unique key of another level (and those above it).
    Each instance becomes a file DIR/<SOP Instance UID>.dcm, as it was sent. What will come is
    looked up by C-FIND before, unless it is named by --sop-class.

    Ends with 0 when all came, 1 when something failed, 2 for a wrong command line, 3 when there
    is no connection or the association is rejected.
    """
    try:
        to = whom(peer, config, called, calling, timeout)
        what = asked(keys, level, model, None)
        named = [_class(each) for each in classes or ()]
        output.mkdir(parents=True, exist_ok=True)
    except Misuse as error:
        end(MISUSE, *str(error).splitlines(), as_json=as_json)
    except OSError as error:
        end(FAILURE, f"{error.filename}: {error.strerror}", as_json=as_json)
    got = run(_get(to, what, named, output, relational=relational), as_json=as_json)
    good = got.retrieval.status == 0 and not got.retrieval.progress.failed and not got.missing
    if as_json:
        files = [str(path) for path in got.folder.files]
        more = {"files": files, "missing": got.missing}
        print(json.dumps({"ok": good, **counts(got.retrieval), **more}))
    else:
        size = got.folder.size / 1e6
        took = f"{size:.1f} MB in {got.seconds:.1f} s"
        print(f"{len(got.folder.files)} received into {output} ({took})")
        print(*lines(got.retrieval), sep="", end="", file=sys.stderr)
        if len(got.missing) > got.retrieval.progress.failed:
            print(f"{len(got.missing)} of {got.listed} did not come", file=sys.stderr)
    raise typer.Exit(0 if good else FAILURE)


@dataclass(frozen=True, slots=True)
class _Got:
    """What became of it.

    Attributes:
        listed: instances that the peer listed before; 0 where it was not asked, or lists none.
        missing: SOP Instance UIDs of those that have not come.
    """

    retrieval: Retrieval
    folder: Folder
    seconds: float
    listed: int
    missing: list[str]


def _class(name: str) -> str:
    """A SOP Class by its UID, or by its keyword."""
    if is_uid(name):
        return name
    for uid, entry in UIDS.items():
        if entry[4].lower() == name.lower():
            return uid
    raise Misuse(f"{name} is neither a UID nor the keyword of one")


async def _get(
    to: Remote, what: Asked, classes: list[str], output: Path, *, relational: bool
) -> _Got:
    uid = PATIENT_ROOT_GET if what.patient_root else STUDY_ROOT_GET
    began = time.monotonic()
    listed = [] if classes else await _listed(to, what)
    proposal = _proposal(classes, listed)
    folder = Folder(output, to.called)
    async with associated(
        to,
        [wanted(uid), *proposal.wanted],
        roles=proposal.roles,
        extended={uid: dimse.RELATIONAL} if relational else {},
    ) as association:
        getting = dimse.get(
            association, what.level, what.keys, folder, patient_root=what.patient_root
        )
        with bar() as shown:
            async with getting as retrieval:
                await follow(retrieval, shown)
    come = {path.stem for path in folder.files}
    missing = [each.sop_instance_uid for each in listed if each.sop_instance_uid not in come]
    return _Got(retrieval, folder, time.monotonic() - began, len(listed), missing)


async def _listed(to: Remote, what: Asked) -> list[Listed]:
    """What will come, as the peer lists it; nothing where it does not."""
    uid = PATIENT_ROOT_FIND if what.patient_root else STUDY_ROOT_FIND
    try:
        async with associated(to, [wanted(uid)]) as association:
            found = survey(association, what.level, what.keys, patient_root=what.patient_root)
            return [each async for each in found]
    except HilumError:
        return []


def _proposal(classes: list[str], listed: list[Listed]) -> contexts.Storage:
    """The contexts for what will come; the usual ones where nobody knows that."""
    usual = [each for each, _ in Counter(each.sop_class_uid for each in listed).most_common()]
    classes = classes or [each for each in usual if each]
    syntaxes = {each.transfer_syntax_uid for each in listed}
    known = sorted(each for each in syntaxes if each is not None)
    if listed and len(known) == len(syntaxes):
        return contexts.storage(classes, [contexts.SYNTAXES[0], *((each,) for each in known)])
    return contexts.storage(classes)
