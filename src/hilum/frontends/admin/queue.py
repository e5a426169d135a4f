"""What is still to be brought to other systems? To be tried again, or dropped."""

import time
from collections.abc import Mapping, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from hilum.core.queue import Kept, Queue
from hilum.frontends.admin.pages import back, desk, page, written
from hilum.frontends.dicomweb.who import audited, who
from hilum.model.audit import Kind
from hilum.model.errors import BadRequest, NotFound

MOST: Final = 500  # errands that are shown
_ALL: Final = 10**9


async def show(request: Request) -> Response:
    """`GET /queue`; those that are given up come first."""
    queue = desk(request).queue
    dead = [] if queue is None else await queue.every(dead=True, most=MOST + 1)
    waiting = [] if queue is None else await queue.every(dead=False, most=MOST + 1 - len(dead))
    found = [*dead, *waiting]
    now = time.time()
    said = {
        "errands": [(each, _state(each, now)) for each in found[:MOST]],
        "more": len(found) > MOST,
        "dead": len(dead),
        "done": request.query_params.get("done", ""),
        "now": now,
    }
    return await page(request, "queue.html", said)


async def change(request: Request) -> Response:
    """`POST /queue`: `do` is `retry`, `drop` or `retry-dead`, of those with `id`.

    Raises:
        BadRequest: nothing was marked, or it is none of these.
        NotFound: there is no queue.
    """
    fields = await written(request)
    queue = desk(request).queue
    if queue is None:
        raise NotFound("there is no queue here")
    does = fields.get("do", [""])[0]
    ids = await _ids(queue, fields, does)
    if does == "drop":
        count = await queue.drop(ids)
        done = f"{count} dropped"
    else:
        count = await queue.retry(ids)
        done = f"{count} due now"
    why = f"errands {', '.join(map(str, ids[:20]))}{' …' if len(ids) > 20 else ''}: {done}"  # noqa: PLR2004 - enough for a line
    audited(request, Kind.RESTRICTED, who(request.scope), why=why)
    return back(request, "queue", done=f"{done}.")


async def _ids(queue: Queue, fields: Mapping[str, Sequence[str]], does: str) -> list[int]:
    if does == "retry-dead":
        return [each.id for each in await queue.every(dead=True, most=_ALL)]
    if does not in {"retry", "drop"}:
        raise BadRequest("what is to be done? retry, drop or retry-dead")
    said = fields.get("id", [])
    if not said or not all(each.isascii() and each.isdecimal() for each in said):
        raise BadRequest("mark the errands that are meant")
    return [int(each) for each in said]


def _state(kept: Kept, now: float) -> str:
    if kept.is_dead:
        return "given up"
    return "running" if kept.leased_until > now else "waiting"
