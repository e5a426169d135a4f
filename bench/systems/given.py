"""Servers that run already and are measured too: `--peer NAME=HTTP-URL,HOST:PORT,AET[,PID]`."""

import re
from argparse import ArgumentTypeError

from bench.system import ALL, Ability, System

_FORM = re.compile(
    r"(?P<name>[^=]+)=(?P<web>https?://[^,]+)?,(?P<host>[^:,]+):(?P<port>\d+),(?P<aet>[^,]{1,16})"
    r"(?:,(?P<pid>\d+))?"
)


def given(text: str) -> System:
    """The system that is meant.

    Raises:
        ArgumentTypeError: it is written otherwise.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ArgumentTypeError(f"{text!r} is not NAME=HTTP-URL,HOST:PORT,AET[,PID]")
    web = (found["web"] or "").rstrip("/")
    return System(
        name=found["name"],
        host=found["host"],
        port=int(found["port"]),
        aet=found["aet"],
        web=web,
        pid=int(found["pid"]) if found["pid"] else None,
        durability="as its operator set it up",
        abilities=ALL - (frozenset() if web else {Ability.WEB}) - {Ability.MOVE},
    )
