"""What is proposed for the configuration, of what a probe has found? The table of a mount."""

import json
import re
from collections.abc import Mapping
from typing import Final

from hilum.backends.dimse.findings import Known, Setting
from hilum.config.kinds import MAX_AE_TITLE
from hilum.config.schema import Settings
from hilum.upper_layer.requestor import Remote

_BARE_KEY: Final = re.compile("[A-Za-z0-9_-]+")
_PLAIN: Final = re.compile("[A-Za-z0-9_-]")


def proposed(known: Known, name: str, to: Remote, own: str) -> tuple[dict[str, Setting], str]:
    """The settings beside those that say where it is, and the whole mount.

    Args:
        known: what was found.
        name: of the mount, an AE title.
        to: the peer.
        own: the server's own AE title, by which it is called and sent to anyway.
    """
    found = known.settings
    if found.get("receivers") == [own]:
        del found["receivers"]
    return found, block(name, to, found, calling=to.calling if to.calling != own else None)


def block(
    name: str, to: Remote, settings: Mapping[str, Setting], *, calling: str | None = None
) -> str:
    """A mount for the configuration.

    Args:
        name: of the mount, an AE title.
        to: the peer.
        settings: beside those that say where it is.
        calling: the AE title we call by, where that is not the server's own.
    """
    found: dict[str, Setting] = {
        "backend": "dimse",
        "aet": to.called,
        "host": to.host,
        "port": to.port,
        **({"calling": calling} if calling else {}),
        **settings,
    }
    table = name if _BARE_KEY.fullmatch(name) else json.dumps(name)
    lines = [f"{key} = {json.dumps(value)}" for key, value in found.items()]
    return "\n".join([f"[mounts.{table}]", *lines, ""])


def mount_name(title: str) -> str:
    """A name for the mount of the peer of that AE title, which needs no quotes."""
    plain = "".join(each if _PLAIN.fullmatch(each) else "_" for each in title.strip())
    return plain[:MAX_AE_TITLE] or "PACS"


def free_name(title: str, settings: Settings) -> str:
    """Such a name that is no other AE title of ours, nor that of a peer."""
    peers = (each.aet for each in settings.peers.values())
    taken = {settings.server.aet, *settings.mounts, *peers}
    name, number = mount_name(title), 2
    while name in taken:
        end = f"_{number}"
        name, number = f"{mount_name(title)[: MAX_AE_TITLE - len(end)]}{end}", number + 1
    return name
