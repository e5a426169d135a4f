import pytest

from hilum.backends.cache.wish import ALL, Wish, key_of, plain, within
from hilum.model.identity import Ref


@pytest.mark.parametrize(
    ("ref", "parent", "expected"),
    [
        (Ref("1"), Ref("1"), True),
        (Ref("1", "2"), Ref("1"), True),
        (Ref("1", "2", "3"), Ref("1"), True),
        (Ref("1", None, "3"), Ref("1"), True),
        (Ref("1", "2", "3"), Ref("1", "2"), True),
        (Ref("1"), Ref("1", "2"), False),
        (Ref("1", None, "3"), Ref("1", "2"), False),
        (Ref("1", "9", "3"), Ref("1", "2"), False),
        (Ref("2", "2"), Ref("1"), False),
        (Ref("1", "2", "4"), Ref("1", "2", "3"), False),
        (Ref(patient="P"), Ref(patient="P"), True),
        (Ref("1"), Ref(patient="P"), False),
        (Ref(instance="3"), Ref("1"), False),
    ],
)
def test_what_is_part_of_what(ref: Ref, parent: Ref, expected: bool) -> None:  # noqa: FBT001
    assert within(ref, parent) is expected


def test_the_patient_does_not_matter_where_a_uid_is() -> None:
    assert plain(Ref("1", patient="P")) == Ref("1")
    assert plain(Ref(patient="P")) == Ref(patient="P")
    assert key_of([Ref("1"), Ref("2", patient="P")]) == key_of([Ref("2"), Ref("1")])


def test_a_wish_takes_what_it_names() -> None:
    wish = Wish.of([Ref("1"), Ref("2", "2.1"), Ref("3", "3.1", "3.1.1")])
    assert wish.takes("1", "1.1", "1.1.1")
    assert wish.takes("2", "2.1", "2.1.1")
    assert wish.takes("3", "3.1", "3.1.1")
    assert wish.takes("2", "2.2", "2.2.1") is False
    assert wish.takes("", "", "9") is None
    assert wish.named is None
    assert ALL.takes(None, None, "9")
    assert ALL.named is None
    only = Wish.of([Ref("3", "3.1", "3.1.1")])
    assert only.named == {"3.1.1"}
    assert only.takes(None, None, "9") is False
