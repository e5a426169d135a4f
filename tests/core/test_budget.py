from hypothesis import example, given
from hypothesis import strategies as st

from hilum.core.budget import LEAST, Budget, Outgoing, Share

MIB = 1024 * 1024


def test_one_alone_may_hold_half_and_then_half_of_what_is_left() -> None:
    budget = Budget(16 * MIB)
    share = Share(budget)
    assert share.room == 8 * MIB
    share.take(8 * MIB)
    assert share.room == 0
    share.give(MIB)
    assert share.room == MIB
    assert (budget.held, budget.most) == (7 * MIB, 8 * MIB)


def test_whoever_comes_gets_a_share_and_the_least_when_there_is_none() -> None:
    budget = Budget(4 * MIB)
    others = [Share(budget) for _ in range(64)]
    for each in others:
        each.take(each.room)
    late = Share(budget)
    assert LEAST <= late.room < MIB
    late.take(late.room)
    assert late.room == 0
    for each in others:
        each.close()
    assert late.room > MIB


def test_what_came_too_much_leaves_no_room() -> None:
    budget = Budget(MIB)
    share, other = Share(budget), Share(budget)
    share.take(3 * MIB)
    assert share.room == 0
    assert other.room == LEAST
    share.close()
    assert budget.held == 0


def test_nothing_is_given_back_twice() -> None:
    budget = Budget(MIB)
    share = Share(budget)
    share.take(10)
    share.close()
    share.give(10)
    assert (share.held, budget.held) == (0, 0)


def test_what_goes_out_is_held_until_the_second_behind_it_goes() -> None:
    budget = Budget(MIB)
    share = Outgoing(budget)
    for count in (1, 10, 100):
        share.take(count)
    for count, held in ((1, 111), (10, 111), (100, 110)):
        share.gave(count)
        assert share.held == held
    share.close()
    assert budget.held == 0


@given(st.lists(st.tuples(st.integers(0, 99), st.sampled_from(["take", "half", "close"]))))
@example([(at, "take") for at in range(100)])
def test_all_together_hold_no_more_than_there_is_and_the_least_of_each(
    steps: list[tuple[int, str]],
) -> None:
    budget = Budget(2 * MIB)
    shares = [Share(budget) for _ in range(100)]
    for at, step in steps:
        share = shares[at]
        if step == "take":
            share.take(share.room)
        elif step == "half":
            share.give(share.held // 2)
        else:
            share.close()
        assert budget.held == sum(each.held for each in shares)
        assert budget.held <= budget.size + len(shares) * LEAST
    assert budget.most <= budget.size + len(shares) * LEAST
