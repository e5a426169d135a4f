"""The floor of a transfer: the same files through one TCP connection, read away at the other end.

python -m bench.floors.wire PORT FILE...    sends all of them to whoever connects
"""

import socket
import sys
import time
from pathlib import Path

_BUFFER = 1024 * 1024  # bytes


def send(port: int, paths: list[Path]) -> None:
    """Send all files to each that connects, for ever."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            connection, _ = listener.accept()
            with connection:
                if not connection.recv(1):  # only looked whether we are there
                    continue
                for path in paths:
                    with path.open("rb") as file:
                        connection.sendfile(file)


def received(port: int) -> float:
    """Seconds until all has come."""
    buffer = bytearray(_BUFFER)
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"?")
        while connection.recv_into(buffer):
            pass
    return time.perf_counter() - began


if __name__ == "__main__":
    send(int(sys.argv[1]), [Path(each) for each in sys.argv[2:]])
