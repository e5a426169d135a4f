"""Which renderings need not be made again? The last ones, in memory, and how one is made."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from starlette.requests import Request

from hilum.core.backend import Lent
from hilum.imaging.rendered import Rendered
from hilum.imaging.wish import Viewport, Wish
from hilum.model.errors import NotOffered
from hilum.workshop import tasks_rendered
from hilum.workshop.pool import Workshop

LIMIT: Final = 12 * 1024 * 1024  # bytes in all
LARGEST: Final = LIMIT // 3  # bytes; what is larger is not kept
_OVERHEAD: Final = 512  # bytes; what keeping one costs besides its own


class Renderings:
    """The last renderings, up to `limit` bytes of them."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._kept: OrderedDict[Hashable, Rendered] = OrderedDict()
        self.size = 0  # bytes

    def get(self, key: Hashable) -> Rendered | None:
        """The one of that key, if it is still here."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: Hashable, rendered: Rendered) -> None:
        """Keep one, at the cost of those that were asked for the longest ago."""
        if len(rendered.body) > LARGEST or rendered.spans or key in self._kept:
            return
        self._kept[key] = rendered
        self.size += len(rendered.body) + _OVERHEAD
        while self.size > self._limit:
            _, gone = self._kept.popitem(last=False)
            self.size -= len(gone.body) + _OVERHEAD


async def rendered(
    request: Request, lent: Lent, number: int | None, wish: Wish, ranges: tuple[str, ...]
) -> Rendered:
    """What was lent, as `imaging.rendered.rendered` gives it.

    Raises:
        NotOffered: there is no workshop.
        OutOfResources: there is no room, or no time.
        HilumError: as there.
    """
    kept: Renderings = request.app.state.pictures.renderings
    key = (lent.key, number, wish, ranges)
    found = kept.get(key)
    if found is None:
        workshop = _workshop(request)
        found = await workshop.run(
            tasks_rendered.rendered,
            lent.path,
            lent.offset,
            lent.size,
            lent.transfer_syntax_uid,
            lent.sop_class_uid,
            number,
            wish,
            ranges,
            workshop.spare,
        )
        kept.put(key, found)
    return found


async def thumbnail(
    request: Request, lent: Lent, number: int | None, viewport: Viewport
) -> Rendered:
    """What was lent, as `imaging.rendered.thumbnail` gives it; raises like `rendered`."""
    kept: Renderings = request.app.state.pictures.renderings
    key = (lent.key, number, viewport)
    found = kept.get(key)
    if found is None:
        found = await _workshop(request).run(
            tasks_rendered.thumbnail,
            lent.path,
            lent.offset,
            lent.size,
            lent.transfer_syntax_uid,
            number,
            viewport,
        )
        kept.put(key, found)
    return found


def _workshop(request: Request) -> Workshop:
    workshop: Workshop | None = request.app.state.workshop
    if workshop is None:
        raise NotOffered("nothing is rendered here")
    return workshop
