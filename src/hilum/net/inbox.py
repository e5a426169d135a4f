"""Whose is a C-STORE that comes to us? Our own C-MOVEs wait here for what they asked for.

A receiver is an AE title of ours that a PACS knows as a Move Destination; it may be a mount, too.
Each C-STORE that comes to one is looked at on its own, whatever association it comes on:

1. Move Originator AE Title and Message ID are those of a C-MOVE that waits;
2. else its SOP Instance UID is expected by a C-MOVE to the peer that calls, or, where nobody is
   known by that title or address, by any C-MOVE;
3. else what it says of its study and series is what a C-MOVE to that peer asked for. Not where
   the receiver is a mount that stores: there it is kept.
"""

import logging
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hilum.config.mounts import DimseMount
from hilum.core.operations import Originator
from hilum.model.instance import Instance
from hilum.model.query import Path as Key
from hilum.net.arrivals import Arrivals
from hilum.net.crowd import Crowd
from hilum.net.peek import Below, look
from hilum.net.places import Places
from hilum.net.turns import Turns

log = logging.getLogger(__name__)

_MAX_ID = 0xFFFF  # Message ID (0000,0110)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who brings something, and what the command set says of it.

    Attributes:
        called, calling: AE titles of the association.
        address: of the far side.
        originator: who asked for the move, where that is told.
    """

    called: str
    calling: str
    address: str
    originator: Originator | None = None


@dataclass(eq=False, slots=True, kw_only=True)
class Expecting:
    """One C-MOVE of ours, from before it is sent until nothing more of it is waited for.

    Attributes:
        receiver: its Move Destination.
        message_id: its Message ID, which no other one has at that time.
        expected: SOP Instance UIDs that should come, where that is known.
        below: what it asks for.
        arrivals: where it goes.
        turned_away: SOP Instance UIDs of what came for it and was not asked for.
    """

    receiver: str
    calling: str
    message_id: int
    expected: Collection[str] | None
    below: Below
    arrivals: Arrivals
    of: "Receiving" = field(repr=False)
    turned_away: set[str] = field(default_factory=set)

    def expects(self, uid: str) -> bool:
        """Whether that instance was announced."""
        return self.expected is not None and uid in self.expected

    def is_origin(self, originator: Originator | None) -> bool:
        """Whether it is the C-MOVE that is named."""
        if originator is None or originator.message_id != self.message_id:
            return False
        return originator.ae_title in ("", self.calling)


class Receiving:
    """How one mount receives what it asks its PACS to send, for as long as there is the mount."""

    def __init__(self, inbox: "Inbox", mount: DimseMount, calling: str) -> None:
        self._inbox = inbox
        self._mount = mount
        self._calling = mount.calling or calling
        self._places = Places(mount.host)
        self.receivers = mount.receivers or (inbox.aet or calling,)
        self.titles = frozenset((mount.aet, *mount.senders))
        self.uncompressed = mount.uncompressed
        self.turns = inbox.turns_at(mount)

    def knows(self, calling: str, address: str) -> bool:
        """Whether who calls so, or from there, is its PACS."""
        return calling in self.titles or address in self._places

    def close(self) -> None:
        """Receive nothing any more."""
        self._inbox.forget(self)

    def noticed(self, *, marked: bool) -> None:
        """An arrival told, or did not tell, of which C-MOVE it is."""
        if not marked and self._mount.mode == "auto" and not self.turns.one_at_a_time:
            self.turns.one_at_a_time = True
            log.info(
                "%s leaves out the Move Originator: from now on one C-MOVE at a time to each of %s",
                self._mount.aet, ", ".join(self.receivers),
            )  # fmt: skip

    @contextmanager
    def busy(self) -> Iterator[None]:
        """A retrieval runs, which may be brought here; from before its first C-MOVE."""
        self._inbox.count(1)
        try:
            yield
        finally:
            self._inbox.count(-1)

    def opened(self) -> Arrivals:
        """Where the instances of one retrieval arrive."""
        return Arrivals(self._inbox.folder)

    @asynccontextmanager
    async def expecting(
        self, arrivals: Arrivals, keys: Mapping[Key, str], expected: Collection[str] | None
    ) -> AsyncIterator[Expecting]:
        """One C-MOVE, once it is its turn.

        Args:
            arrivals: where to put what comes.
            keys: of its identifier.
            expected: SOP Instance UIDs that should come, where that is known.
        """
        await self._places.refresh()
        async with self.turns.turn(self.receivers) as receiver:
            expecting = Expecting(
                receiver=receiver,
                calling=self._calling,
                message_id=self._inbox.next_id(),
                expected=expected,
                below=Below.of(keys),
                arrivals=arrivals,
                of=self,
            )
            with self._inbox.waiting(expecting):
                yield expecting


class Inbox:
    """All C-MOVEs to ourselves.

    Args:
        aet: our own AE title: the receiver of mounts that name none.
        folder: for what arrives faster than it is read; None: the system's for temporary files.
        crowd: tells the other workers that somebody waits here.

    Attributes:
        retrievals: how many run whose instances may be brought here.
    """

    def __init__(
        self, aet: str = "", folder: Path | None = None, crowd: Crowd | None = None
    ) -> None:
        self.aet = aet
        self._crowd = crowd
        self.folder = folder
        self.retrievals = 0
        self._receiving: list[Receiving] = []
        self._expecting: list[Expecting] = []
        self._turns: dict[tuple[str, str, int], Turns] = {}
        self._last_id = 0

    def register(self, mount: DimseMount, calling: str) -> Receiving:
        """Let the PACS of a mount in; until `Receiving.close`."""
        receiving = Receiving(self, mount, calling)
        self._receiving.append(receiving)
        return receiving

    def forget(self, receiving: Receiving) -> None:
        """Undo `register`."""
        if receiving in self._receiving:
            self._receiving.remove(receiving)

    def turns_at(self, mount: DimseMount) -> Turns:
        """The turns at a peer; of one that stands behind several mounts they are the same."""
        key = (mount.aet, mount.host, mount.port)
        turns = self._turns.setdefault(key, Turns())
        # What comes for one caller must not be taken for what another has asked for.
        turns.one_at_a_time |= mount.mode == "sequential" or mount.forward_token
        return turns

    def count(self, change: int) -> None:
        """So many more retrievals run."""
        self.retrievals += change
        if self._crowd is not None:
            self._crowd.retrieves(self.retrievals)

    def next_id(self) -> int:
        """A Message ID that no C-MOVE has that still waits."""
        taken = {each.message_id for each in self._expecting}
        while True:
            self._last_id = self._last_id % _MAX_ID + 1
            if self._last_id not in taken:
                return self._last_id

    @contextmanager
    def waiting(self, expecting: Expecting) -> Iterator[None]:
        """Let a C-MOVE have what is its own."""
        self._expecting.append(expecting)
        try:
            yield
        finally:
            self._expecting.remove(expecting)

    @property
    def waiters(self) -> int:
        """How many C-MOVEs wait."""
        return len(self._expecting)

    def receives(self, called: str) -> bool:
        """Whether an AE title is a receiver."""
        return any(called in each.receivers for each in self._receiving)

    def admits(self, called: str, calling: str, address: str) -> bool:
        """Whether who calls a receiver is a PACS that may bring something there."""
        return any(
            called in each.receivers and each.knows(calling, address) for each in self._receiving
        )

    def uncompressed(self, called: str, calling: str) -> bool:
        """Whether a PACS of that title shall bring uncompressed instances only."""
        of_it = [
            each for each in self._receiving if called in each.receivers and calling in each.titles
        ]
        return bool(of_it) and all(each.uncompressed for each in of_it)

    async def sort(
        self, caller: Caller, instance: Instance, *, strictly: bool
    ) -> tuple[Arrivals | None, Instance]:
        """Whose it is, and the instance, to be read as if nobody had looked at it.

        Args:
            caller: who brings it.
            instance: as it streams in.
            strictly: only for who expects it, or is named as its originator.

        Raises:
            HilumError: it breaks off.
        """
        here = [each for each in self._expecting if each.receiver == caller.called]
        uid = instance.sop_instance_uid
        theirs = _of_peer(here, caller)
        expecting = [each for each in (theirs if theirs or strictly else here) if each.expects(uid)]
        origin = next((each for each in here if each.is_origin(caller.originator)), None)
        if origin is not None and origin.expects(uid):
            return self._given(origin, origin), instance
        # a C-MOVE that is named, but has no use for it: peers do give wrong Message IDs
        if expecting and (origin is None or origin.expected is not None):
            return self._given(_lacking(expecting, uid), origin), instance
        named = origin if origin is not None and origin.below.holds(uid) else None
        able = [each for each in theirs if each.below.holds(uid) and not strictly]
        if named is not None or able:
            found, instance = await look(instance)
            meant = _meant(named, found, expecting or able) or expecting
            if meant:
                return self._given(_lacking(meant, uid), origin), instance
            for each in (named,) if named is not None else able[: len(theirs) == 1]:
                each.turned_away.add(uid)
        return None, instance

    def _given(self, meant: Expecting, origin: Expecting | None) -> Arrivals:
        meant.of.noticed(marked=meant is origin)
        return meant.arrivals


def _of_peer(here: list[Expecting], caller: Caller) -> list[Expecting]:
    """Those whose PACS calls: by its AE title, else by its address."""
    named = [each for each in here if caller.calling in each.of.titles]
    return named or [each for each in here if each.of.knows(caller.calling, caller.address)]


def _meant(
    named: Expecting | None, found: Mapping[int, str] | None, others: list[Expecting]
) -> list[Expecting]:
    """Whose it is by its own words: of who is named, if it can be; else of who asked for it.

    Args:
        named: the C-MOVE that is said to have moved it.
        found: what it says; None: nothing.
        others: who may have it else.
    """
    if named is not None and (
        found is None or not named.below.is_telling or named.below.has(found)
    ):
        return [named]
    return [each for each in others if found is not None and each.below.has(found)]


def _lacking(able: list[Expecting], uid: str) -> Expecting:
    """Of several that want the same, the first that has it not yet."""
    return next((each for each in able if uid not in each.arrivals), able[0])
