"""Which tokens did we issue? New ones are made here, and shown once; others are revoked."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from hilum.config import units
from hilum.frontends.admin.desk import Tokens
from hilum.frontends.admin.pages import back, desk, page, written
from hilum.frontends.dicomweb.who import audited, who
from hilum.model.audit import Kind
from hilum.model.errors import BadRequest, NotFound
from hilum.model.issued import LONGEST_NAME, may_be_named
from hilum.model.principal import Grant, Right

_LIVES: Final = ("7d", "30d", "90d", "365d", "never")
_USUAL: Final = "90d"
_LONGEST_LIFE: Final = 100 * 366 * 86400.0  # seconds


async def show(request: Request) -> Response:
    """`GET /tokens`."""
    return await _shown(request)


async def change(request: Request) -> Response:
    """`POST /tokens`: `revoke` has the id of one; else a new one for `name`.

    Raises:
        NotFound: there is no such token, or none at all are kept.
        BadRequest: something of the new one is wrong.
    """
    fields = await written(request)
    tokens = desk(request).tokens
    if tokens is None:
        raise NotFound("no tokens are kept here")
    if "revoke" in fields:
        return await _revoked(request, tokens, fields["revoke"][0])
    name = fields.get("name", [""])[0].strip()
    try:
        grant, life = _grant(request, name, fields), _life(fields.get("life", [_USUAL])[0])
    except BadRequest as error:
        return await _shown(request, {"error": str(error), "written": fields}, 400)
    made, text = await tokens.create(name, grant, life)
    may, mounts = ",".join(sorted(grant.rights)), ",".join(sorted(grant.mounts))
    why = f"issued token {made.id} to {name}: {may} at {mounts}"
    audited(request, Kind.CHANGED, who(request.scope), why=why)
    return await _shown(request, {"made": made, "secret": text})


async def _revoked(request: Request, tokens: Tokens, which: str) -> Response:
    ids = {each.id for each in await tokens.every()}
    if which not in ids:
        raise NotFound("there is no such token")
    gone = await tokens.revoke(which)
    why = f"revoked token {gone.id} of {gone.name}"
    audited(request, Kind.CHANGED, who(request.scope), why=why)
    return back(request, "tokens", done=f"Token {gone.id} of {gone.name} is revoked.")


async def _shown(
    request: Request, more: Mapping[str, Any] | None = None, status: int = 200
) -> Response:
    at = desk(request)
    found = [] if at.tokens is None else await at.tokens.every()
    said = {
        "tokens": [*reversed(found)],
        "kept": at.tokens is not None,
        "now": time.time(),
        "rights": [*Right],
        "mounts": [*at.settings().mounts],
        "lives": _LIVES,
        "usual": _USUAL,
        "longest": LONGEST_NAME,
        "auth": at.settings().auth.enabled,
        "done": request.query_params.get("done", ""),
        "error": "",
        "made": None,
        "written": {},
    }
    return await page(request, "tokens.html", {**said, **(more or {})}, status)


def _grant(request: Request, name: str, fields: Mapping[str, Sequence[str]]) -> Grant:
    """What a new one allows.

    Raises:
        BadRequest: that cannot be said so.
    """
    if not may_be_named(name):
        raise BadRequest(f"Say who gets it, in 1 to {LONGEST_NAME} characters.")
    rights, mounts = fields.get("may", ()), fields.get("mount", ())
    if not rights or not set(rights) <= set(Right):
        raise BadRequest("Mark what it allows.")
    if not mounts or not set(mounts) <= {"*", *desk(request).settings().mounts}:
        raise BadRequest("Mark the mounts at which it holds.")
    if "*" in mounts and len(mounts) > 1:
        raise BadRequest("Mark every one, or single mounts.")
    return Grant(frozenset(map(Right, rights)), frozenset(mounts))


def _life(text: str) -> float | None:
    """Seconds that it holds.

    Raises:
        BadRequest: that is no time.
    """
    if text == "never":
        return None
    try:
        life = units.seconds(text)
    except ValueError:
        life = 0.0
    if not 0 < life <= _LONGEST_LIFE:
        raise BadRequest('Write how long it holds like "90d", "12h" or "never".')
    return life
