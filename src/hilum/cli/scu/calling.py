"""Whom a command calls, and how."""

import os
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from hilum.backends.dimse.remote import NOBODY, remote, remote_of
from hilum.cli import complete
from hilum.cli.scu.ending import Misuse, NoConnection
from hilum.codec.associate import Role
from hilum.config.kinds import ae_title
from hilum.config.load import ConfigError, load
from hilum.config.mounts import DimseMount
from hilum.config.peers import Peer
from hilum.config.schema import Settings
from hilum.model.errors import BackendError, BackendFault
from hilum.upper_layer.association import Association
from hilum.upper_layer.requestor import Remote, Wanted, associate
from hilum.upper_layer.standing import Timeouts

CALLING = "HILUM"  # our AE title, where no configuration says another
CALLED = "ANY-SCP"  # the peer's, where nobody says which
_PLACE = re.compile(r"(?:(?P<aet>[^@]+)@)?(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>\d+)")

PeerArgument = Annotated[
    str,
    typer.Argument(
        metavar="PEER",
        help="HOST:PORT, AET@HOST:PORT, or the name of a peer or of a DIMSE mount.",
        autocompletion=complete.peers,
    ),
]
CalledOption = Annotated[
    str | None,
    typer.Option("--aet", metavar="AET", help=f"AE title to call; else the peer's, or {CALLED}."),
]
CallingOption = Annotated[
    str | None,
    typer.Option(
        "--calling",
        metavar="AET",
        help=f"AE title to call by; else the configuration's, or {CALLING}.",
    ),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0.1,
        help="How long the peer may be silent; else the peer's own settings.",
    ),
]


def whom(
    peer: str,
    config: Path | None,
    called: str | None = None,
    calling: str | None = None,
    timeout: float | None = None,
) -> Remote:
    """The peer that was named.

    Raises:
        Misuse: there is none of that name, or an AE title cannot be one.
    """
    place = _PLACE.fullmatch(peer)
    found = _settings(config, needed=place is None)
    named = _named(found, peer)
    try:
        own = found.tls if found else NOBODY
        behind = found.mounts.get(peer) if found and named is None else None
        if isinstance(behind, DimseMount):  # the PACS, as the mount calls it
            to = remote_of(behind, found.server.aet if found else CALLING, own)
            ours, theirs = ae_title(calling or to.calling), ae_title(called or to.called)
            return _patient(replace(to, calling=ours, called=theirs), timeout)
        if named is None and place is not None:
            title = called or place["aet"] or CALLED
            named = Peer(aet=title, host=place["v6"] or place["host"], port=int(place["port"]))
        if named is None:
            known = ", ".join(_callable(found)) or "none"
            raise Misuse(f"no peer is called {peer}; there is {known}. Or write HOST:PORT")
        ours = ae_title(calling or (found.server.aet if found else CALLING))
        result = replace(
            remote(named, ours, own),
            called=ae_title(called or named.aet),
        )
    except ValidationError as error:
        what = error.errors(include_url=False)[0]
        text = what["msg"].removeprefix("Value error, ")
        raise Misuse(f"{peer}: {what['loc'][0]}: {text}") from None
    except (ValueError, BackendFault) as error:
        raise Misuse(str(error)) from None
    return _patient(result, timeout)


def _patient(to: Remote, timeout: float | None) -> Remote:
    if timeout is None:
        return to
    limits = Timeouts(acse=timeout, message=timeout, idle=to.timeouts.idle)
    return replace(to, timeouts=limits, connect_timeout=timeout)


def _callable(found: Settings | None) -> list[str]:
    """Who can be called by name: peers, and mounts that stand for a PACS."""
    mounts = found.mounts if found else {}
    pacs = (name for name, mount in mounts.items() if isinstance(mount, DimseMount))
    return [*(found.peers if found else ()), *pacs]


def _settings(config: Path | None, *, needed: bool) -> Settings | None:
    """The configuration; None where there is none that can be used, and none is needed."""
    try:
        return load(config, os.environ)
    except ConfigError as error:
        if needed or config is not None:
            hint = [] if config is not None else ["or name the peer as HOST:PORT"]
            raise Misuse("\n".join([*error.problems, *hint])) from None
        return None


def _named(found: Settings | None, name: str) -> Peer | None:
    peers = found.peers if found else {}
    by_title = (peer for peer in peers.values() if peer.aet == name)
    return peers.get(name) or next(by_title, None)


@asynccontextmanager
async def associated(
    to: Remote,
    wanted: Iterable[Wanted],
    *,
    roles: Mapping[str, Role] | None = None,
    extended: Mapping[str, bytes] | None = None,
) -> AsyncIterator[Association]:
    """An open association.

    Raises:
        NoConnection: the peer cannot be reached, or rejects it.
    """
    async with AsyncExitStack() as stack:
        opening = associate(to, wanted, roles=roles, extended=extended)
        try:
            association = await stack.enter_async_context(opening)
        except BackendError as error:
            raise NoConnection(str(error)) from error
        yield association
