"""How systemd learns that we are ready: sd_notify(3), without its library."""

import os
import socket


def notify(state: str) -> bool:
    """Send `READY=1` and the like to whoever started us; whether somebody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]  # an abstract socket
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(state.encode(), address)
    except (AttributeError, OSError):  # no such sockets here, or nobody there any more
        return False
    return True
