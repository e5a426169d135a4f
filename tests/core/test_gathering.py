from dataclasses import replace
from types import MappingProxyType

import pytest

from hilum.core.gathering import EACH, FIRST, LONGEST, LONGEST_REFUSED, MOST_REFUSED, Gathering
from hilum.model.audit import Event, Kind, Outcome
from hilum.model.principal import Principal, Proof

REFUSED = Event(
    kind=Kind.LOGIN, who=Principal(address="192.0.2.1"), outcome=Outcome.MINOR, why="bad"
)


class Told:
    """What was told, at times of our own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events: list[Event] = []
        self.gathering = Gathering(self.events.append, lambda: self.now)

    def __call__(self, event: Event, times: int = 1) -> list[int]:
        """How many each event that was told stands for."""
        for _ in range(times):
            self.gathering(event)
        return self.take()

    def after(self, seconds: float) -> list[int]:
        self.now += seconds
        self.gathering.tick()
        return self.take()

    def take(self) -> list[int]:
        taken = [each.count for each in self.events]
        self.events.clear()
        return taken


@pytest.fixture
def told() -> Told:
    return Told()


def test_the_first_are_told_as_they_come_and_the_others_as_one(told: Told) -> None:
    assert told(REFUSED, 1000) == [1] * EACH
    assert told.after(FIRST / 2) == []
    assert told.after(FIRST / 2) == [1000 - EACH]


def test_a_flood_that_goes_on_is_told_of_ever_more_rarely(told: Told) -> None:
    told(REFUSED, 100)
    lines, seconds = 0, 0
    while seconds < 3600:
        told(REFUSED, 20)
        lines += len(told.after(1.0))
        seconds += 1
    assert lines <= 3600 / LONGEST_REFUSED + 10


def test_nothing_is_lost_of_the_count(told: Told) -> None:
    total = 0
    for _ in range(50):
        total += sum(told(REFUSED, 7)) + sum(told.after(0.4))
    told.gathering.tick(last=True)
    assert total + sum(told.take()) == 350


def test_who_was_quiet_for_a_while_is_told_of_at_once_again(told: Told) -> None:
    told(REFUSED, 100)
    told.after(FIRST)
    told.after(LONGEST_REFUSED)
    assert told(REFUSED, 2) == [1, 1]


def test_one_who_floods_does_not_hide_another(told: Told) -> None:
    told(REFUSED, 1000)
    other = replace(REFUSED, who=Principal(address="192.0.2.2"))
    known = replace(REFUSED, who=Principal("ann", Proof.TOKEN, address="192.0.2.1"))
    assert told(other) == [1]
    assert told(known) == [1]


def test_a_flood_from_everywhere_is_bounded_too(told: Told) -> None:
    lines = 0
    for number in range(5_000):
        event = replace(REFUSED, who=Principal(address=f"2001:db8::{number:x}"))
        lines += len(told(event))
    assert lines <= MOST_REFUSED + EACH
    assert told.after(FIRST) == [5_000 - lines]
    told.after(LONGEST_REFUSED)
    assert told(REFUSED) == [1]


def test_whatever_an_unknown_caller_says_it_is_the_same_caller(told: Told) -> None:
    lines = 0
    for number in range(1000):
        who = Principal(ae_title=f"AE{number}", address="192.0.2.1")
        lines += len(told(replace(REFUSED, who=who, mount=f"M{number}")))
    assert lines == EACH


def test_of_instances_the_number_is_summed_and_each_study_told_apart(told: Told) -> None:
    def event(study: str) -> Event:
        counts = MappingProxyType({"CT": 2, "": 1})
        return Event(kind=Kind.TRANSFERRED, study=study, instances=counts)

    for _ in range(EACH + 3):
        told.gathering(event("1"))
    told.gathering(event("2"))
    told.take()
    told.now += LONGEST
    told.gathering.tick()
    (summed,) = told.events
    assert (summed.study, summed.count, summed.instances) == ("1", 3, {"CT": 6, "": 3})


def test_queries_for_different_things_are_told_one_by_one(told: Told) -> None:
    for number in range(100):
        told.gathering(Event(kind=Kind.QUERY, keys=MappingProxyType({"00100020": str(number)})))
    assert told.take() == [1] * 100


def test_what_happens_once_is_never_gathered(told: Told) -> None:
    assert told(Event(kind=Kind.DELETED), 20) == [1] * 20


def test_who_logs_in_is_told_apart_from_who_may_not(told: Told) -> None:
    told(REFUSED, 1000)
    assert told(replace(REFUSED, outcome=Outcome.SUCCESS)) == [1]
