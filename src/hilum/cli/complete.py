"""What can stand in a shell's place of a mount, or of a peer? Those of the configuration."""

import os
from pathlib import Path

import typer

from hilum.config.load import ConfigError, load
from hilum.config.mounts import DimseMount
from hilum.config.schema import Settings


def mounts(ctx: typer.Context, incomplete: str) -> list[str]:
    """The AE titles of mounts."""
    found = _settings(ctx)
    return _beginning(list(found.mounts) if found else [], incomplete)


def peers(ctx: typer.Context, incomplete: str) -> list[str]:
    """The names of peers, and of mounts that stand for a PACS."""
    found = _settings(ctx)
    if found is None:
        return []
    far = [name for name, mount in found.mounts.items() if isinstance(mount, DimseMount)]
    return _beginning([*found.peers, *far], incomplete)


def destinations(ctx: typer.Context, incomplete: str) -> list[str]:
    """Where a C-MOVE may go, as far as it is known here: peers and mounts, by AE title."""
    found = _settings(ctx)
    if found is None:
        return []
    titles = [peer.aet for peer in found.peers.values()]
    return _beginning([*titles, *found.mounts, *found.destinations], incomplete)


def _settings(ctx: typer.Context) -> Settings | None:
    """The configuration, if there is one that can be used; a completion complains of nothing."""
    named = ctx.params.get("config")
    try:
        return load(Path(named) if named else None, os.environ)
    except (ConfigError, OSError):
        return None


def _beginning(names: list[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
