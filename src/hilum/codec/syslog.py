"""How does a message look in syslog? (RFC 5424, framed by RFC 5425; PS3.15 §A.6)."""

import re
from typing import Final

from hilum.codec.audit_line import moment

_PRIORITY: Final = 10 * 8 + 5  # security and authorization; normal but significant
_ID: Final = "DICOM+RFC3881"  # MSGID, PS3.15 §A.6
_MARK: Final = b"\xef\xbb\xbf"  # says that UTF-8 follows
_UNPRINTABLE: Final = re.compile(r"[^\x21-\x7e]")
_LONGEST: Final = {"host": 255, "application": 48}


def message(text: bytes, *, time: int, host: str, application: str, process: int) -> bytes:
    """One SYSLOG-MSG.

    Args:
        text: in UTF-8.
        time: in milliseconds since the epoch.
        host: where it comes from.
        application: its name.
        process: its number.
    """
    parts = (
        f"<{_PRIORITY}>1",
        moment(time),
        _name(host, _LONGEST["host"]),
        _name(application, _LONGEST["application"]),
        str(process),
        _ID,
        "-",  # no structured data
    )
    return " ".join(parts).encode("ascii") + b" " + _MARK + text


def framed(said: bytes) -> bytes:
    """A message in a stream: its length in octets, a blank, and itself (RFC 5425 §4.3)."""
    return b"%d %b" % (len(said), said)


def _name(text: str, longest: int) -> str:
    return _UNPRINTABLE.sub("?", text[:longest]) or "-"
