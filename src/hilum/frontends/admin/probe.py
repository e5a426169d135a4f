"""What is a peer like, and how is a mount for it configured? Learnt by harmless experiments.

Only who stands in the configuration is asked. What was found can be looked at in the editor of the
configuration; nothing is changed before it is saved there.
"""

from collections.abc import Mapping
from typing import Any, Final

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from hilum.config import edit, graft
from hilum.config.load import ConfigError
from hilum.config.mounts import DimseMount
from hilum.config.schema import Settings
from hilum.frontends.admin.pages import back, desk, page, written
from hilum.frontends.admin.trial import Heard, Proposed, Trial
from hilum.frontends.dicomweb.who import audited, who
from hilum.model.audit import Kind
from hilum.model.errors import BadRequest

EVERY: Final = 3  # seconds after which the page is loaded again while something is tried


async def show(request: Request) -> Response:
    """`GET /probe`: the form, and how far the last one is."""
    at = desk(request)
    trial = at.trials.last
    runs = trial is not None and trial.ended is None
    said = {
        "every": EVERY if runs and "pause" not in request.query_params else 0,
        "mounts": _mounts(at.settings()),
        "peers": [*at.settings().peers],
        "trial": trial,
        "runs": runs,
        "edited": await _edited(at.settings(), trial),
    }
    return await page(request, "probe.html", said)


async def change(request: Request) -> Response:
    """`POST /probe`: `do` is `begin`, of who is called `name`, or `stop`.

    Raises:
        BadRequest: it is neither, or nobody of that name is configured.
        InUse: one is being probed.
    """
    fields = await written(request)
    at, does = desk(request), fields.get("do", ["begin"])[0]
    if does == "stop":
        if at.trials.stop():
            audited(request, Kind.RESTRICTED, who(request.scope), why="stopped a probe")
        return back(request, "probe")
    if does != "begin":
        raise BadRequest("what is to be done? begin or stop")
    name = fields.get("name", [""])[0]
    if name not in _names(at.settings()):
        raise BadRequest("there is no mount or peer of that name that speaks DIMSE")
    retrieves = "retrieve" in fields

    async def probes(heard: Heard) -> Proposed:
        return await at.probe(name, retrieves, heard)

    at.trials.begin(name, probes)
    kind, _, title = name.partition(":")
    mount = title if kind == "mount" else ""
    audited(request, Kind.RESTRICTED, who(request.scope), mount=mount, why=f"probes {kind} {title}")
    return back(request, "probe")


def _names(settings: Settings) -> list[str]:
    mounts = [f"mount:{each}" for each in _mounts(settings)]
    return [*mounts, *(f"peer:{each}" for each in settings.peers)]


def _mounts(settings: Settings) -> list[str]:
    """Those that stand for a PACS."""
    return [name for name, each in settings.mounts.items() if isinstance(each, DimseMount)]


async def _edited(settings: Settings, trial: Trial | None) -> Mapping[str, Any] | None:
    """The file with what follows from a trial, to be looked at; None: there is nothing to see."""
    proposed = None if trial is None else trial.proposed
    if proposed is None or settings.file is None:
        return None
    file = settings.file

    def grafted() -> Mapping[str, Any]:
        before = edit.opened(file)
        text = graft.with_mount(before, proposed.mount, proposed.settings, proposed.toml)
        return {"text": text, "tag": before.tag, "changes": text != before.shown}

    try:
        return await to_thread.run_sync(grafted)
    except ConfigError:  # the page of the configuration tells what is wrong with it
        return None
