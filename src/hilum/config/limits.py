"""What can be set of how much one caller may ask."""

from typing import Annotated

from pydantic import Field

from hilum.config.kinds import Seconds, Section, Size


class LimitSettings(Section):
    """How much one caller may ask, at both doors: who has a login by its name, else by its address.

    Who asks more is told to come later: 429 with `Retry-After`, or a status A7xx. Each process of
    `server.workers` counts for itself.
    """

    reloads = True

    requests_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Requests a second, HTTP and DIMSE together; by default any number."""
    bytes_per_second: Size | None = None
    """Bytes a second, both ways together. What has begun goes on at full speed, and is made up for
    before the next request."""
    burst: Seconds = 10.0
    """For so many seconds may be saved what is not used, and then be asked at once."""
