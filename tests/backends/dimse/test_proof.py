import pytest

from hilum.backends.dimse.proof import NotKnown, Part, Proof
from hilum.backends.dimse.requested import Request
from hilum.model.errors import BackendFault, BackendUnavailable, HilumError, Incomplete, NotOffered
from hilum.model.identity import Level
from hilum.model.instance import Listed
from hilum.model.outcome import Progress

ASKED = Request(Level.STUDY, {(0x0020000D,): "1.1"})
GONE = BackendUnavailable("gone")


def part(*uids: str) -> Part:
    return Part(ASKED, {each: Listed(each, "1.2") for each in uids})


def unlisted(**told: object) -> Part:
    return Part(ASKED, None, told=Progress(**told), answered=True)  # type: ignore[arg-type]


def test_all_that_is_listed_and_came_is_proof_enough() -> None:
    proof = Proof([part("3.1", "3.2"), part("3.2", "3.3")])
    assert {each.sop_instance_uid for each in proof.manifest or ()} == {"3.1", "3.2", "3.3"}
    for each in ("3.1", "3.2", "3.3", "3.9"):
        assert proof.is_complete is (each == "3.9")
        proof.give(each)
    proof.parts[0].failure = GONE  # whatever was said about it
    assert proof.verdict() is None
    assert proof.again() == []


def test_what_is_missing_is_named_and_asked_for_again() -> None:
    proof = Proof([part("3.1", "3.2"), part("3.3")])
    proof.give("3.1")
    assert proof.left == {"3.2", "3.3"}
    asks = proof.again()
    assert [[each.sop_instance_uid for each in missing or ()] for _, missing in asks] == [
        ["3.2"],
        ["3.3"],
    ]
    error = proof.verdict()
    assert isinstance(error, Incomplete)
    assert (error.missing, error.count) == (("3.2", "3.3"), 2)
    assert str(error) == "2 of 3 instances did not come"


def test_a_failure_is_told_where_nothing_came() -> None:
    one = part("3.1")
    one.failure = GONE
    proof = Proof([one])
    assert proof.verdict() is GONE
    proof.give("3.2")
    error = proof.verdict()
    assert isinstance(error, Incomplete)
    assert "gone" in str(error)


@pytest.mark.parametrize("error", [NotOffered("no"), NotKnown("who?")])
def test_a_final_word_is_not_asked_for_again(error: HilumError) -> None:
    one = part("3.1")
    one.failure = error
    assert Proof([one]).again() == []


@pytest.mark.parametrize(
    ("told", "came", "short"),
    [
        ({"completed": 2}, 2, 0),
        ({"completed": 3}, 2, 1),
        ({"completed": 2, "failed": 1}, 2, 1),
        ({"completed": 1, "warning": 1}, 1, 1),
        ({}, 0, 0),
        ({}, 2, 0),
    ],
)
def test_counts_are_the_proof_of_what_is_not_listed(
    told: dict[str, int], came: int, short: int
) -> None:
    one = unlisted(**told)
    one.came = came
    proof = Proof([one])
    proof.given |= {f"3.{at}" for at in range(came)}
    assert proof.manifest is None
    assert not proof.is_complete
    error = proof.verdict()
    assert (error.count if isinstance(error, Incomplete) else 0) == short


def test_what_was_turned_away_has_not_failed() -> None:
    one = unlisted(completed=1, failed=1, failed_uids=("6.6",))
    one.came = 1
    one.turned_away = {"6.6"}
    assert Proof([one]).verdict() is None


def test_what_a_peer_says_that_it_failed_to_send_is_asked_for_again() -> None:
    fault = BackendFault("sub-operations failed")
    one = unlisted(completed=1, failed=2, failed_uids=("3.1", "3.2"), reason=fault)
    one.came = 1
    proof = Proof([one])
    proof.give("3.0")
    ((named, missing),) = proof.again()
    assert [each.sop_instance_uid for each in missing or ()] == ["3.1", "3.2"]
    proof.give("3.1")
    error = proof.verdict()
    assert isinstance(error, Incomplete)
    assert (error.missing, error.count) == (("3.2",), 1)
    proof.give("3.2")
    assert proof.verdict() is None
    assert named in proof.parts


def test_all_is_asked_for_again_where_the_peer_was_lost_and_nothing_is_listed() -> None:
    one = Part(ASKED, None, failure=GONE)
    assert Proof([one]).again() == [(one, None)]
    one.answered = True
    assert Proof([one]).again() == []


def test_a_part_is_short_when_less_came_than_was_sent_or_nothing_is_said() -> None:
    one = unlisted(completed=2)
    assert one.is_short
    one.came = 2
    assert not one.is_short
    one.begin()
    assert one.is_short
    assert not unlisted(failed=2).is_short
