"""The floor of an SCU: questions that are ready; answers are read to their end and forgotten."""

import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.floors import ready
from bench.floors.link import Link, framed
from hilum.codec import dimse
from hilum.codec.dimse import Command, Service
from hilum.codec.sop_class import STUDY_ROOT_FIND, STUDY_ROOT_GET

_PENDING = (0xFF00, 0xFF01)
_STUDY = (0x0020, 0x000D)
_VR = {
    (0x0008, 0x0020): b"DA",
    (0x0008, 0x0050): b"SH",
    (0x0008, 0x0052): b"CS",
    (0x0010, 0x0010): b"PN",
    (0x0010, 0x0020): b"LO",
    _STUDY: b"UI",
}
_EXPLICIT = struct.Struct("<HH2sH")


class Refused(Exception):
    """The other side did not do what it was asked for."""


class Asker:
    """An association of a client, to be had by `associated`."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def find(self, study: str = "") -> list[bytes]:
        """The studies that are found, all or the one with this UID."""
        context = self._link.contexts[STUDY_ROOT_FIND]
        self._link.send(context, _asked(Service.C_FIND, STUDY_ROOT_FIND), _keys(study))
        found = []
        while (message := self._link.message()).status in _PENDING:
            found.append(b"".join(message.data))
        _check(message.status)
        return found

    def get(self, study: str) -> int:
        """How many instances of a study come."""
        context = self._link.contexts[STUDY_ROOT_GET]
        only = _element(_STUDY, b"UI", study)
        identifier = _element((0x0008, 0x0052), b"CS", "STUDY") + only
        self._link.send(context, _asked(Service.C_GET, STUDY_ROOT_GET), identifier)
        count = 0
        while True:
            message = self._link.message()
            if message.asked == Service.C_STORE:
                self._link.stored(message)
                count += 1
            elif message.status not in _PENDING:
                _check(message.status)
                return count

    def store(self, paths: Sequence[Path], folder: Path) -> int:
        """How many of these CT images the other side takes.

        Args:
            folder: where what is ready is kept for the next time.
        """
        return ready.send(self._link, paths, folder)


@contextmanager
def associated(address: tuple[str, int], called: str, *syntaxes: str) -> Iterator[Asker]:
    """An association for these SOP classes; CT images may come where C-GET is one of them."""
    with socket.create_connection(address) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(connection)
        link.request(called, syntaxes, receives=[ready.CT] if STUDY_ROOT_GET in syntaxes else ())
        yield Asker(link)
        link.release()


def answers(context: int, message: int, found: Sequence[bytes], size: int) -> bytes:
    """All PDUs that answer a C-FIND with these."""

    def answer(status: int) -> Command:
        return Command(
            command_field=Service.C_FIND | dimse.RESPONSE,
            message_id_responded_to=message,
            affected_sop_class_uid=STUDY_ROOT_FIND,
            status=status,
        )

    pending = [framed(context, answer(_PENDING[0]), each, size) for each in found]
    return b"".join((*pending, framed(context, answer(0), b"", size)))


def _asked(service: Service, sop_class: str) -> Command:
    return Command(
        command_field=service, message_id=1, affected_sop_class_uid=sop_class, priority=0
    )


def _keys(study: str) -> bytes:
    values = {(0x0008, 0x0052): "STUDY", _STUDY: study}
    return b"".join(_element(tag, vr, values.get(tag, "")) for tag, vr in _VR.items())


def _element(tag: tuple[int, int], vr: bytes, text: str) -> bytes:
    value = text.encode()
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) & 1)
    return _EXPLICIT.pack(*tag, vr, len(value)) + value


def _check(status: int) -> None:
    if status:
        raise Refused(f"status {status:04X}")
