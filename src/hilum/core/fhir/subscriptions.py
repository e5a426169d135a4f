"""Who wants to be told which studies changed, and how? FHIR's Subscriptions (R4 §2.46)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from hilum.codec.fhir.values import Element
from hilum.model.principal import Principal

REQUESTED: Final = "requested"
ACTIVE: Final = "active"
ERROR: Final = "error"
OFF: Final = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One of them.

    Attributes:
        id: random.
        version: grows by one with each change, also of its status.
        root: FHIR's root of the mount, as who asked for it sees it.
        status: "requested", "active", "error", "off".
        error: why it is in error; holds no patient data.
        owner: who asked for it. What he may is asked anew each time.
        said: the rest of the resource, without what is secret.
        headers: of each notification, `Name: value`; nobody is told them.
        changed: when it was changed last; seconds since the epoch.
    """

    id: str
    mount: str
    version: int = 1
    root: str
    status: str
    error: str = ""
    owner: Principal
    said: Element
    headers: tuple[str, ...] = field(default=(), repr=False)
    changed: float

    @property
    def criteria(self) -> str:
        """What is looked for: `ImagingStudy?modality=CT`."""
        return str(self.said["criteria"])

    @property
    def endpoint(self) -> str:
        """Where notifications go."""
        return str(self.said["channel"]["endpoint"])

    @property
    def has_payload(self) -> bool:
        """Whether they hold the study."""
        return "payload" in self.said["channel"]

    def now(self, time: float) -> str:
        """Its status at that time: one that has come to its end is off."""
        end = self.said.get("end")
        if end is not None and datetime.fromisoformat(end).timestamp() <= time:
            return OFF
        return self.status

    def is_of(self, who: Principal) -> bool:
        """Whether that is who asked for it."""
        return (who.proof, who.name) == (self.owner.proof, self.owner.name)


class KeepsSubscriptions(Protocol):
    """Keeps them; what it has answered for is on the disk. All may raise BackendFault."""

    async def add(self, subscription: Subscription, /, *, most: int) -> bool:
        """Keep a new one; False where there are `most` at its mount already."""

    async def one(self, name: str, /) -> Subscription | None:
        """The one of that id."""

    async def of(self, mount: str, /) -> Sequence[Subscription]:
        """All of a mount, in the order of their ids."""

    async def become(self, subscription: Subscription, /) -> bool:
        """Have one be like this; False where it is of another version, or gone.

        Args:
            subscription: with the version that is there; it grows by one.
        """

    async def remove(self, name: str, /) -> None:
        """Forget one."""
