"""What does a line of the log mean, and what helps? One table, by what stands in the line.

Each entry leads to the manual's chapter of troubleshooting, where there is more of it.
"""

import re
from dataclasses import dataclass
from typing import Final

CHAPTER: Final = "doc/manual/14_troubleshooting.md"


@dataclass(frozen=True, slots=True)
class Advice:
    """What is to be done about a line.

    Attributes:
        text: what it is, and what helps.
        part: of the chapter, as its heading is written.
    """

    text: str
    part: str


_START = "It does not start"
_CHANGED = "A changed configuration is not applied"
_REACH = "Nobody can reach it"
_REJECTED = "An association is rejected"
_STORE = "Something cannot be stored"
_FOUND = "Something is not found"
_RETRIEVED = "Something is not retrieved"
_LOGINS = "Logins"
_SLOW = "It is slow"

_TABLE: Final = (
    (
        "no connection to|cannot be reached|connection refused",
        (
            "That system does not take connections: it is down, its address or port is "
            "another one, or "
            "a firewall is between. Press Echo when it is up again."
        ),
        _RETRIEVED,
    ),
    (
        "no TLS with|does not speak TLS|its certificate:|handshake",
        (
            "The two sides do not agree on TLS: look at its certificate, its authority and whether "
            "that port speaks TLS at all."
        ),
        _REACH,
    ),
    (
        "reload:|tls\\..*former certificate|needs a restart|former configuration",
        (
            "The changed configuration was not applied; the one before goes on. "
            "Configuration shows "
            "what is wrong."
        ),
        _CHANGED,
    ),
    (
        "calling AE title|called AE title|reject|accept_unknown_callers",
        (
            "One side does not know the other by its AE title: compare the titles, upper and lower "
            "case too, and the entry in [peers] or at the PACS."
        ),
        _REJECTED,
    ),
    (
        "no presentation context|transfer syntax|SOP class",
        (
            "The two sides do not agree on a SOP class or transfer syntax; `hilum probe` "
            "shows what "
            "the other one takes."
        ),
        _REJECTED,
    ),
    (
        "disk is full|No space|no room|cannot be written|cannot be used: |audit cannot be put",
        (
            "A folder is full, or not the service's own. Make room, or look at its owner; "
            "`hilum check` tries all of them."
        ),
        _STORE,
    ),
    (
        "C-MOVE|receiver",
        (
            "The PACS does not bring what it was asked for: it must know our AE title with this "
            "machine's address and port. `hilum probe` with --receiver tries it."
        ),
        _RETRIEVED,
    ),
    (
        "token|log in|logins|refuses us|signed with",
        (
            "A login does not hold: the token has expired, was revoked, or its provider cannot be "
            "reached."
        ),
        _LOGINS,
    ),
    (
        (
            "in time|took longer|take too long|silent|no answer within|does not "
            "answer|broke|closed|"
            "ended early|came whole"
        ),
        (
            "The other side was too slow, or the connection broke. When it is often: its load, the "
            "network, and the timeouts of its entry."
        ),
        _SLOW,
    ),
    (
        "errand",
        (
            "Something could not be brought to another system. Queue shows it, to be tried "
            "again or "
            "dropped."
        ),
        _STORE,
    ),
    (
        "pixels|crashed its process|too much memory|transcoded",
        "The pixels of an image cannot be worked on; it can still be fetched as it is kept.",
        _RETRIEVED,
    ),
    (
        "turned away|too many|max_connections|being used|in use",
        (
            "More is asked at a time than is allowed, or than a PACS takes: see the limits, and "
            "pool.size of the mount."
        ),
        _REACH,
    ),
    (
        "index|is missing or cut|unclean end",
        (
            "Index and files of an archive differed, or its disk fails; what is missing in the "
            "index is taken in again from the files."
        ),
        _START,
    ),
    (
        "did not answer in|check its URL|refers to another server|multipart|is no base64",
        "That server does not speak as the standard has it, or its URL is another one.",
        _FOUND,
    ),
)
_ADVICE: Final = [(re.compile(words, re.IGNORECASE), Advice(t, part)) for words, t, part in _TABLE]


def advice(text: str) -> Advice | None:
    """What is known of a line: the first entry that fits; None where none does."""
    return next((each for words, each in _ADVICE if words.search(text)), None)


def parts() -> frozenset[str]:
    """All parts of the chapter that entries lead to."""
    return frozenset(each.part for _, each in _ADVICE)
