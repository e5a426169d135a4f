"""How systemd learns how we are: sd_notify(3), without its library."""

import asyncio
import os
import socket
import time

_PATIENCE = 1.0  # seconds that who started us may take to read what it was told before


def notify(state: str) -> bool:
    """Send `READY=1` and the like to whoever started us; whether somebody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]  # an abstract socket
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(_PATIENCE)
            sender.sendto(state.encode(), address)
    except (AttributeError, OSError):  # no such sockets here, or nobody there any more
        return False
    return True


def reloading() -> None:
    """Say that the configuration is read again; `READY=1` says that it is done."""
    if hasattr(time, "clock_gettime_ns"):  # not on Windows
        moment = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        notify(f"RELOADING=1\nMONOTONIC_USEC={moment}")


async def stopping(stop: asyncio.Event, grace: float) -> None:
    """Once `stop` is set, say so, and that it may take that many seconds."""
    await stop.wait()
    notify(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={int(grace * 1e6)}\nSTATUS=running work ends")


async def watched() -> None:
    """Say that we live, as often as is wanted, from the event loop: only while that goes round.

    Ends where nobody wants to know (`WATCHDOG_USEC`).
    """
    seconds = watchdog()
    while seconds is not None:
        notify("WATCHDOG=1")
        await asyncio.sleep(seconds / 2)


def watchdog() -> float | None:
    """Seconds after which who does not say that it lives is taken for dead; None: never."""
    for_whom = os.environ.get("WATCHDOG_PID", "")
    if for_whom and for_whom != str(os.getpid()):
        return None
    try:
        seconds = int(os.environ.get("WATCHDOG_USEC", "")) / 1e6
    except ValueError:
        return None
    return seconds if seconds > 0 else None
