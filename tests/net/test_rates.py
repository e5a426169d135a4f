import pytest

from hilum.config.limits import LimitSettings
from hilum.model.errors import TooMany
from hilum.model.principal import Principal, Proof
from hilum.net import rates as module
from hilum.net.rates import Rates

ANN = Principal("ann", Proof.TOKEN, address="192.0.2.1")
SOMEBODY = Principal(address="192.0.2.1")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(module, "time", found)
    return found


def allowed(rates: Rates, who: Principal, most: int = 1000) -> int:
    """How many requests pass."""
    for number in range(most):
        try:
            rates.asked(who)
        except TooMany:
            return number
    return most


def test_without_a_limit_anything_may_be_asked() -> None:
    assert allowed(Rates(LimitSettings()), SOMEBODY) == 1000


def test_what_was_not_asked_is_saved_up_for_a_while(clock: Clock) -> None:
    rates = Rates(LimitSettings(requests_per_second=2.0, burst=5.0))
    assert allowed(rates, SOMEBODY) == 10
    with pytest.raises(TooMany) as told:
        rates.asked(SOMEBODY)
    assert told.value.after == pytest.approx(0.5)
    clock.now += 1
    assert allowed(rates, SOMEBODY) == 2
    clock.now += 1000
    assert allowed(rates, SOMEBODY) == 10


def test_less_than_one_a_second_is_still_one(clock: Clock) -> None:
    rates = Rates(LimitSettings(requests_per_second=0.01))
    assert allowed(rates, SOMEBODY) == 1
    clock.now += 101
    assert allowed(rates, SOMEBODY) == 1


def test_bytes_are_made_up_for_before_the_next_request(clock: Clock) -> None:
    rates = Rates(LimitSettings(bytes_per_second=100, burst=10.0))
    rates.asked(SOMEBODY)
    rates.spent(SOMEBODY, 3000)
    with pytest.raises(TooMany) as told:
        rates.asked(SOMEBODY)
    assert told.value.after == pytest.approx(20, abs=0.1)
    clock.now += told.value.after
    rates.asked(SOMEBODY)


@pytest.mark.usefixtures("clock")
def test_callers_are_told_apart_by_name_or_else_by_address() -> None:
    rates = Rates(LimitSettings(requests_per_second=1.0, burst=1.0))
    others = [
        SOMEBODY,
        Principal(address="192.0.2.2"),
        Principal(address="2001:db8:0:1::1"),
        Principal(address="2001:db8:0:2::1"),
        Principal(address="unknown"),
        ANN,
        Principal("bob", Proof.TOKEN, address="192.0.2.1"),
        Principal("ann", Proof.AE_TITLE, address="192.0.2.1"),
    ]
    assert [allowed(rates, each) for each in others] == [1] * len(others)
    same = [
        Principal("ann", Proof.TOKEN, address="192.0.2.77"),
        Principal("claimed", address="192.0.2.1"),
        Principal(address="2001:db8:0:1::2"),
        Principal(address="::ffff:192.0.2.1"),
    ]
    assert [allowed(rates, each) for each in same] == [0] * len(same)


def test_only_so_many_callers_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    rates = Rates(LimitSettings(requests_per_second=1.0))
    for number in range(10):
        rates.asked(Principal(address=f"192.0.2.{number}"))
    assert len(rates._callers) == 3
