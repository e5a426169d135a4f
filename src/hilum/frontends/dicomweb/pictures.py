"""What is remembered of pixels, from one request to the next? Nothing until the first asks."""

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hilum.frontends.dicomweb.renderings import Renderings
    from hilum.workshop.looks import Looks


class Pictures:
    """Both are made on first use, by who has imported them already: they bring numpy along."""

    @cached_property
    def looks(self) -> "Looks":
        """Where the frames of instances lie."""
        from hilum.workshop.looks import Looks  # noqa: PLC0415 - see the class

        return Looks()

    @cached_property
    def renderings(self) -> "Renderings":
        """Those that were made last."""
        from hilum.frontends.dicomweb.renderings import Renderings  # noqa: PLC0415 - see the class

        return Renderings()
