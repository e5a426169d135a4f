import pytest

from hilum.backends.dimse.planned import contexts_of, first_asks, second_asks
from hilum.backends.dimse.proof import Part, Proof
from hilum.backends.dimse.requested import Request
from hilum.codec.associate import MAX_CONTEXTS
from hilum.codec.sop_class import EXPLICIT_LE, UNCOMPRESSED
from hilum.model.identity import Level
from hilum.model.instance import Listed

J2K = "1.2.840.10008.1.2.4.90"
CT = "1.2.840.10008.5.1.4.1.1.2"
ASKED = Request(Level.STUDY, {(0x0020000D,): "1.1"})


def listed(count: int, *, classes: int = 1, syntax: str | None = None) -> list[Listed]:
    return [
        Listed(f"3.{at}", f"1.2.3.{at % classes}", syntax, None, "1.1", "2.1")
        for at in range(count)
    ]


def part(some: list[Listed]) -> Part:
    return Part(ASKED, {each.sop_instance_uid: each for each in some})


def test_a_part_is_one_c_get_at_its_own_level() -> None:
    (ask,) = first_asks(Proof([part(listed(5))]))
    assert ask.request == ASKED
    assert len(ask.listed or ()) == 5
    (ask,) = first_asks(Proof([Part(ASKED, None)]))
    assert ask.listed is None


@pytest.mark.parametrize(("syntax", "count"), [(None, 40), (J2K, 140)])
def test_more_classes_than_contexts_take_several(syntax: str | None, count: int) -> None:
    asks = list(first_asks(Proof([part(listed(count, classes=count, syntax=syntax))])))
    assert len(asks) == 3
    assert [each.request.level for each in asks] == [Level.STUDY, Level.IMAGE, Level.IMAGE]
    proposed: set[str] = set()
    for ask in asks:
        planned = contexts_of(ask.listed, uncompressed=False)
        assert len(planned.wanted) < MAX_CONTEXTS
        if syntax is not None:
            proposed |= {kind for kind, some in planned.wanted if syntax in some}
    assert syntax is None or len(proposed) == count


def test_what_is_missing_is_asked_for_by_its_uids() -> None:
    proof = Proof([part(listed(5))])
    for at in (0, 1, 2):
        proof.give(f"3.{at}")
    (ask,) = second_asks(proof)
    assert ask.request.keys[(0x00080018,)] == "3.3\\3.4"
    lost = Part(ASKED, None)
    lost.failure = ValueError  # type: ignore[assignment]  # any will do
    (ask,) = second_asks(Proof([lost]))
    assert ask.request == ASKED


def test_contexts_are_those_of_what_should_come() -> None:
    known = contexts_of(listed(3, classes=2, syntax=J2K), uncompressed=False)
    assert {kind for kind, _ in known.wanted} == {"1.2.3.0", "1.2.3.1"}
    assert {one for _, some in known.wanted for one in some} <= {J2K, *UNCOMPRESSED}
    assert all(role.scp and not role.scu for role in known.roles.values())


def test_a_class_that_is_not_told_is_one_of_the_usual() -> None:
    some = [Listed("3.1", ""), Listed("3.2", "1.2.3")]
    kinds = {kind for kind, _ in contexts_of(some, uncompressed=False).wanted}
    assert {CT, "1.2.3"} <= kinds
    assert CT in {kind for kind, _ in contexts_of(None, uncompressed=False).wanted}


def test_uncompressed_only() -> None:
    for some in (None, listed(2, syntax=J2K)):
        planned = contexts_of(some, uncompressed=True)
        assert {one for _, each in planned.wanted for one in each} == set(UNCOMPRESSED)
        assert planned.wanted[0][1][0] == EXPLICIT_LE
