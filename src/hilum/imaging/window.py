"""Which shade has a value within a window? The VOI LUT functions (PS3.3 §C.11.2.1.2 and .3)."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

LINEAR = "LINEAR"
LINEAR_EXACT = "LINEAR_EXACT"
SIGMOID = "SIGMOID"
FUNCTIONS = (LINEAR, LINEAR_EXACT, SIGMOID)


@dataclass(frozen=True, slots=True)
class Window:
    """A window: what lies in it is spread over all shades.

    Attributes:
        center, width: in the unit that the Modality LUT gives.
        function: VOI LUT Function (0028,1056).
    """

    center: float
    width: float
    function: str = LINEAR

    @property
    def usable(self) -> bool:
        """The width is one that the function can have (PS3.3 §C.11.2.1.2 and .3)."""
        return self.width >= 1 if self.function == LINEAR else self.width > 0

    def shades(self, values: Floats) -> Floats:
        """The shades from 0 to 1, of an array of any shape; the window must be usable."""
        center, width = self.center, self.width
        if self.function == SIGMOID:
            exponent = np.clip(-4 * (values - center) / width, -700, 700)
            return np.asarray(1 / (1 + np.exp(exponent)))
        if self.function == LINEAR:
            center, width = center - 0.5, width - 1
        if width <= 0:
            return (values > center).astype(np.float64)
        return np.clip((values - center) / width + 0.5, 0, 1)


def spanning(low: float, high: float) -> Window:
    """The window in which `low` is black and `high` is white."""
    return Window((low + high) / 2, max(high - low, 1e-9), LINEAR_EXACT)
