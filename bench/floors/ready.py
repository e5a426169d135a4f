"""Instances as they go over the wire: C-STORE requests, made once, sent by sendfile."""

import os
from array import array
from collections.abc import Sequence
from pathlib import Path

from bench.floors.link import Link, framed
from hilum.codec.dimse import Command, Service
from hilum.codec.part10 import read_head

CT = "1.2.840.10008.5.1.4.1.1.2"
_HEAD = 4096  # bytes in which the head of a file is


def send(link: Link, paths: Sequence[Path], folder: Path) -> int:
    """Send them all, each once the one before is answered; how many were stored.

    Args:
        folder: where what is ready is kept for the next time.
    """
    context = link.contexts[CT]
    ready = folder / f"ready-{context}-{link.size}-{len(paths)}"
    if not ready.exists():
        _make(paths, ready, context, link.size)
    lengths = array("Q", ready.with_suffix(".lengths").read_bytes())
    at = stored = 0
    with ready.open("rb") as file:
        for length in lengths:
            end = at + length
            while at < end:
                at += os.sendfile(link.socket.fileno(), file.fileno(), at, end - at)
            stored += not link.message().status
    return stored


def _make(paths: Sequence[Path], ready: Path, context: int, size: int) -> None:
    lengths = array("Q")
    part = ready.with_suffix(f".{os.getpid()}")
    with part.open("wb") as out:
        for number, path in enumerate(paths, 1):
            content = path.read_bytes()
            head = read_head(content[:_HEAD], complete=False)
            if head is None:
                raise EOFError
            command = Command(
                command_field=Service.C_STORE,
                message_id=number,
                affected_sop_class_uid=head.sop_class_uid,
                affected_sop_instance_uid=head.sop_instance_uid,
                priority=0,
            )
            message = framed(context, command, content[head.offset :], size)
            lengths.append(out.write(message))
    ready.with_suffix(".lengths").write_bytes(lengths.tobytes())
    part.rename(ready)
