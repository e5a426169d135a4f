"""What is configured? Shown, edited with a look at what changes, saved, and applied."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from hilum.config import edit
from hilum.config.changes import differences
from hilum.config.load import ConfigError
from hilum.frontends.admin.pages import desk, page, written
from hilum.frontends.dicomweb.who import audited, who
from hilum.model.audit import Kind
from hilum.model.errors import BadRequest, NotFound

_STALE = "The file was changed by somebody else meanwhile. Load it again; your text is below."


async def show(request: Request) -> Response:
    """`GET /config`: the file as it is, but for its secrets."""
    file = desk(request).settings().file
    if file is None:
        raise NotFound("what is served stands in no file")
    try:
        before = await to_thread.run_sync(edit.opened, file)
        text = await to_thread.run_sync(lambda: before.shown)
    except ConfigError as error:
        return await _shown(request, problems=error.problems, text=None)
    return await _shown(request, text=text, tag=before.tag)


async def change(request: Request) -> Response:
    """`POST /config`: `do` is `preview`, `edit`, `save`, `apply` (save, then reload) or `reload`.

    Raises:
        BadRequest: it is none of these.
        NotFound: there is no file.
    """
    fields = await written(request)
    does = fields.get("do", ["preview"])[0]
    file = desk(request).settings().file
    if file is None:
        raise NotFound("what is served stands in no file")
    if does == "reload":
        return await _reloaded(request)
    if does not in {"preview", "edit", "save", "apply"}:
        raise BadRequest("what is to be done? preview, edit, save, apply or reload")
    text, tag = fields.get("text", [""])[0], fields.get("tag", [""])[0]
    if does == "edit":
        return await _shown(request, text=text, tag=tag)
    try:
        return await _edited(request, file, does, text, tag)
    except ConfigError as error:
        return await _shown(request, 400, text=text, tag=tag, problems=error.problems)


async def _edited(request: Request, file: Path, does: str, text: str, tag: str) -> Response:
    """What becomes of a text that was edited.

    Raises:
        ConfigError: it cannot be used, or the file not be written.
    """
    before = await to_thread.run_sync(edit.opened, file)
    if before.tag != tag:
        return await _shown(request, 409, text=text, tag=tag, problems=[_STALE])
    whole, wanted = await to_thread.run_sync(edit.checked, text, before, {**os.environ})
    if does == "preview":
        changed = await to_thread.run_sync(edit.masked, file, whole)
        diff = edit.difference(before.shown, changed, file.name)
        said: dict[str, Any] = {"text": text, "tag": tag, "preview": True, "diff": diff}
        said["hidden"] = whole != before.text and not diff
        said["differences"] = differences(desk(request).settings(), wanted)
        return await _shown(request, 200, **said)
    saved = await to_thread.run_sync(edit.saved, whole, before)
    changed = ", ".join(map(str, differences(desk(request).settings(), wanted)))
    why = f"saved {file}: {changed or 'nothing that counts'}"
    audited(request, Kind.CONFIGURED, who(request.scope), why=why)
    if does == "apply":
        return await _reloaded(request, saved=str(saved))
    return await _fresh(request, saved=str(saved))


async def _reloaded(request: Request, **more: Any) -> Response:  # noqa: ANN401 - for the page
    """Apply what stands in the file; what became of it, which the audit is told of there."""
    outcome = await desk(request).reload(who(request.scope))
    return await _fresh(request, outcome=outcome, **more)


async def _fresh(request: Request, **more: Any) -> Response:  # noqa: ANN401 - as above
    """The page with the file as it is now."""
    file = desk(request).settings().file
    assert file is not None  # noqa: S101 - it was there
    try:
        before = await to_thread.run_sync(edit.opened, file)
        return await _shown(request, text=before.shown, tag=before.tag, **more)
    except ConfigError as error:
        return await _shown(request, text=None, problems=error.problems, **more)


async def _shown(request: Request, status: int = 200, **said: Any) -> Response:  # noqa: ANN401 - as above
    usual: Mapping[str, Any] = {
        "file": desk(request).settings().file,
        "tag": "",
        "problems": [],
        "preview": False,
        "diff": [],
        "hidden": False,
        "differences": [],
        "saved": "",
        "outcome": None,
        "mask": edit.MASK,
    }
    return await page(request, "config.html", {**usual, **said}, status)
