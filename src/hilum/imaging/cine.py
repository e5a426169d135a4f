"""How long is each frame of a cine shown? (PS3.3 §C.7.6.5)."""

from math import isfinite

from hilum.imaging.values import Values

USUAL = 100.0  # milliseconds, where nothing is said

_FRAME_TIME = 0x00181063
_FRAME_TIMES = 0x00181065
_RATES = (0x00082144, 0x00180040)  # Recommended Display Frame Rate, Cine Rate


def delays(header: Values, frames: int) -> list[float]:
    """Milliseconds from each frame to the next; the last one is shown as long as the first."""
    time = header.number(_FRAME_TIME)
    if time is not None and time > 0:
        return [time] * frames
    for tag in _RATES:
        rate = header.number(tag)
        if rate is not None and rate > 0:
            return [1000 / rate] * frames
    steps = [each for each in header.numbers(_FRAME_TIMES) if isfinite(each) and each >= 0]
    if len(steps) == frames and frames > 1:  # the first is what lies before the first frame: 0
        return [*steps[1:], steps[1]]
    return [USUAL] * frames
