"""What a row of the selftest is, what it is given, and what comes of it."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import httpx

from hilum.backends.dimse.remote import remote
from hilum.cli.common import reachable
from hilum.cli.stated.statement import Entity, Statement
from hilum.cli.walk.row import ourselves
from hilum.codec.associate import UserIdentity
from hilum.config.schema import Settings
from hilum.upper_layer.requestor import Remote

STRANGER = "HILUM_NOBODY"  # an AE title that no configuration names
_NAME, _PASSCODE, _TOKEN = 1, 2, 5  # kinds of User Identity (PS3.7 §D.3.3.7)


class Failed(Exception):
    """What came back is not what the statement says.

    Attributes:
        fix: what helps; "" where nobody knows.
    """

    def __init__(self, text: str, fix: str = "") -> None:
        super().__init__(text)
        self.fix = fix


class Skipped(Exception):
    """It cannot be tried; the text says why."""


@dataclass(slots=True)
class Found:
    """What there is to be fetched.

    Attributes:
        study: Study Instance UID; `series` and `instance` accordingly.
        patient: Patient ID. It is only asked with, and never shown.
    """

    study: str = ""
    series: str = ""
    instance: str = ""
    patient: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """One mount of the running broker, and how it is called.

    Attributes:
        client: an HTTP client whose base is the broker's root.
        token: to be shown at both doors; "" for none.
        may_write: a study may be stored, and deleted again.
        found: filled as rows go on.
    """

    settings: Settings
    statement: Statement
    entity: Entity
    client: httpx.AsyncClient
    token: str = field(default="", repr=False)
    may_write: bool = False
    found: Found = field(default_factory=Found)

    @property
    def root(self) -> str:
        """The path of the mount's DICOMweb root."""
        return self.entity.roots[0].removeprefix(self.settings.http.base_path)

    @property
    def headers(self) -> Mapping[str, str]:
        """Those that say who asks."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    @property
    def far(self) -> str:
        """What helps where the system behind the mount is to blame."""
        name = self.entity.aet
        if self.entity.backend == "dimse":
            return f"try `hilum probe {name}`, and look at mounts.{name}"
        return f"look at mounts.{name}, and at the broker's log"

    def dimse(self) -> Remote:
        """The mount, as somebody calls it whom the broker knows.

        Raises:
            Skipped: nobody may.
        """
        calling, identity = self._caller()
        return replace(self.called(self.entity.aet, calling), identity=identity)

    def called(self, aet: str, calling: str) -> Remote:
        """The DIMSE door, by these AE titles and without a login."""
        settings = self.settings
        there = ourselves(settings, aet, reachable(settings.dimse.bind))
        return remote(there, calling, settings.tls)

    def _caller(self) -> tuple[str, UserIdentity | None]:
        peers = [*self.settings.peers.values()]
        if self.token:
            calling = peers[0].aet if peers else STRANGER
            if not peers and not self.settings.dimse.accept_unknown_callers:
                raise Skipped("nobody may call: there is no [peers.NAME]")
            return calling, UserIdentity(_TOKEN, self.token.encode())
        if not self.settings.auth.enabled:
            if not peers and not self.settings.dimse.accept_unknown_callers:
                raise Skipped("nobody may call: there is no [peers.NAME]")
            return (peers[0].aet if peers else STRANGER), None
        for peer in peers:
            if peer.auth == "ae":
                return peer.aet, None
            if peer.auth == "password" and peer.username:
                name = peer.username.encode()
                if peer.password is None:
                    return peer.aet, UserIdentity(_NAME, name)
                secret = peer.password.get_secret_value().encode()
                return peer.aet, UserIdentity(_PASSCODE, name, secret)
        raise Skipped("logins are on: show a token by --token FILE")


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that is tried.

    Attributes:
        what: in a few words.
        door: "dimse" or "http"; the row is skipped when that is closed. "": it needs none.
        run: tries it and gives what came back, without patient data. Raises Failed, Skipped, or
            whatever the client raises.
    """

    what: str
    door: str
    run: Callable[[Subject], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Tested:
    """What came of a row.

    Attributes:
        ok: None where it was skipped.
        said: what came back, or why nothing did.
        fix: what helps.
        seconds: how long it took.
    """

    mount: str
    what: str
    ok: bool | None
    said: str
    fix: str = ""
    seconds: float = 0.0


def shortened(names: list[str], most: int = 3) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def batches(pairs: list[tuple[str, str]], size: int) -> Iterator[list[tuple[str, str]]]:
    """The pairs, at most `size` of them at a time."""
    for at in range(0, len(pairs), size):
        yield pairs[at : at + size]
