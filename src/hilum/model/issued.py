"""A token that we have issued ourselves: what it is and may, without what proves it."""

from dataclasses import dataclass
from typing import Final

from hilum.model.principal import Grant

LONGEST_NAME: Final = 64
"""Characters in the name of who has one."""

PREFIX: Final = "hilum_"
"""What the text of one begins with, so that scanners for secrets know it."""


def may_be_named(name: str) -> bool:
    """Whether that can be the name of who has one: it stands in logs and the audit."""
    return bool(name.strip()) and name.isprintable() and len(name) <= LONGEST_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """One of ours.

    Attributes:
        id: names it where its text must not stand.
        name: of who has it, for logs and the audit.
        grant: what it allows.
        created, expires, last_used, revoked: seconds since the epoch; None: never. That of the
            last use is only about right.
    """

    id: str
    name: str
    grant: Grant
    created: float
    expires: float | None = None
    last_used: float | None = None
    revoked: float | None = None

    def is_good(self, now: float) -> bool:
        """Whether it lets anybody in."""
        return self.revoked is None and (self.expires is None or now < self.expires)
