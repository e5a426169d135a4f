"""Which way would a request go? Told of what is put into a form; nothing is called for it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from hilum.core.explained import Question
from hilum.core.login import Login
from hilum.frontends.admin.pages import desk, page, written
from hilum.frontends.dicomweb.who import audited, who
from hilum.model.audit import Kind
from hilum.model.errors import HilumError
from hilum.model.identity import Level

LONGEST: Final = 8192  # characters of what is put in


async def show(request: Request) -> Response:
    """`GET /explain`."""
    return await _shown(request)


async def change(request: Request) -> Response:
    """`POST /explain`: of a `line`, or a C-FIND by `keys`; of whom stands in `who`."""
    fields = await written(request)
    question, login = _question(fields), _login(request)
    if not question.line and not question.keys:
        return await _shown(request, 400, question=question, refused="Write what is asked.")
    try:
        found = await desk(request).explain(question, login.policy)
    except HilumError as error:
        told, said = 400, {"refused": str(error) or "It would be refused."}
        why = "explained a request that would be refused"
        audited(request, Kind.RESTRICTED, who(request.scope), why=why)
        return await _shown(request, told, question=question, **said)
    why = f"explained a request: {found.operation}"  # never what it asks for
    audited(request, Kind.RESTRICTED, who(request.scope), mount=found.mount, why=why)
    return await _shown(request, question=question, route=found)


def _login(request: Request) -> Login:
    found: Login = request.app.state.login
    return found


def _question(fields: Mapping[str, Sequence[str]]) -> Question:
    def said(name: str) -> str:
        return fields.get(name, [""])[0].strip()[:LONGEST]

    by_line = said("by") != "keys"
    return Question(
        line=said("line") if by_line else "",
        keys=() if by_line else tuple(each for each in said("keys").splitlines() if each.strip()),
        level="" if by_line else said("level"),
        mount="" if by_line else said("mount"),
        who=said("who"),
    )


async def _shown(request: Request, status: int = 200, **said: Any) -> Response:  # noqa: ANN401 - for the page
    settings = desk(request).settings()
    usual: Mapping[str, Any] = {
        "question": Question(),
        "route": None,
        "refused": "",
        "mounts": [*settings.mounts],
        "default": settings.default_mount or "",
        "levels": [each.value.lower() for each in Level],
    }
    return await page(request, "explain.html", {**usual, **said}, status)
