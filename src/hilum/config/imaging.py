"""What can be set of work on pixels."""

from typing import Annotated

from pydantic import Field

from hilum.config.kinds import Seconds, Section, Size


class ImagingSettings(Section):
    """Work on pixels: it is done in processes of its own, which may be killed."""

    processes: Annotated[int, Field(ge=1, le=64)] | None = None
    """How many work at most, over all of `server.workers`; by default one for each core, and no
    more than 4 and one for each GiB of memory. They start when they are needed. While some have
    nothing to do, up to 4 threads write one picture."""
    max_memory: Annotated[Size, Field(ge=256 * 10**6)] = 10**9
    """What one of them may allocate; what needs more is refused. Not on Windows."""
    timeout: Seconds = 60.0
    """How long one piece of work may take, and how long it may wait for its turn."""
    queue: Annotated[int, Field(ge=0)] = 128
    """Pieces of work that may wait for a process; what comes beyond that is told to come later."""
    idle: Seconds = 300.0
    """How long a process stays that has nothing to do."""
    max_spool: Size = 20 * 10**9
    """What may lie on disk at a time of instances that are transcoded; each is there for as long
    as that takes. Per process of `server.workers`."""
