"""The floor of a broker: a process that passes bytes on and looks at none of them.

python -m bench.floors.relay PORT HOST PORT
"""

import socket
import sys
import threading

_BUFFER = 256 * 1024  # bytes


def relay(port: int, far: tuple[str, int]) -> None:
    """Pass on what comes, both ways, two threads for each connection, for ever."""
    with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
        while True:
            near, _ = listener.accept()
            other = socket.create_connection(far)
            for source, sink in ((near, other), (other, near)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=_pass_on, args=(source, sink), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    buffer = bytearray(_BUFFER)
    view = memoryview(buffer)
    try:
        while count := source.recv_into(buffer):
            sink.sendall(view[:count])
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        source.close()
        sink.close()


if __name__ == "__main__":
    relay(int(sys.argv[1]), (sys.argv[2], int(sys.argv[3])))
