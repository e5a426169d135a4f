"""The floor of DIMSE: a server that does what cannot be left out, and nothing else.

    python -m bench.floors.dimse PORT FOLDER CORPUS SINK

What is stored is written to a file in FOLDER and synced before it is answered, without being looked
at; there is no index. C-FIND is answered with the bytes that FOLDER/found has, all at once. C-GET
and C-MOVE give the files in CORPUS, ready as PDUs, by sendfile; C-MOVE to port SINK.
"""

import socket
import sys
from pathlib import Path

from bench.floors import asking, ready
from bench.floors.forked import serve
from bench.floors.kept import Kept
from bench.floors.link import EXPLICIT, Link, Message
from hilum.codec.dimse import RESPONSE, Command, Service
from hilum.codec.part10 import encode_meta

FOUND = "found"


class Server:
    """What one process does for the association that it has."""

    def __init__(self, folder: Path, corpus: Path, sink: int) -> None:
        self.folder = folder
        self.paths = sorted(corpus.glob("*.dcm"))
        self.sink = sink

    def __call__(self, connection: socket.socket) -> None:
        """Answer until the association ends."""
        link = Link(connection)
        link.accept()
        kept = Kept(self.folder)
        while True:
            message = link.message()
            match message.asked:
                case Service.C_STORE:
                    self._store(message, kept)
                    link.stored(message)
                case Service.C_FIND:
                    connection.sendall((self.folder / FOUND).read_bytes())
                case Service.C_GET:
                    self._moved(link, message, ready.send(link, self.paths, self.folder))
                case Service.C_MOVE:
                    with asking.associated(("127.0.0.1", self.sink), "SINK", ready.CT) as far:
                        self._moved(link, message, far.store(self.paths, self.folder))

    def _store(self, message: Message, kept: Kept) -> None:
        name = message.instance
        head = encode_meta(message.sop_class, name, EXPLICIT)
        kept.keep(name, [head, *message.data])

    def _moved(self, link: Link, message: Message, count: int) -> None:
        command = Command(
            command_field=message.asked | RESPONSE,
            message_id_responded_to=message.id,
            affected_sop_class_uid=message.sop_class,
            completed=count,
            failed=0,
            warning=0,
            status=0,
        )
        link.send(message.context, command)


if __name__ == "__main__":
    _port, _folder, _corpus, _sink = sys.argv[1:]
    serve(int(_port), Server(Path(_folder), Path(_corpus), int(_sink)))
