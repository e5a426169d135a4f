import time

import pytest
from tests.backends.dimse.trial.known import HELD, found
from tests.contract.made import made
from tests.quirky import HOST, Cancel, Make, Point, Quirks, quirky

from hilum.backends.dimse.findings import Known
from hilum.backends.dimse.probe import Wishes, probe
from hilum.model.errors import BackendError
from hilum.upper_layer.requestor import Remote

pytestmark = pytest.mark.anyio
NAME = "Müller^Jürgen"


async def probed(quirks: Quirks | None = None, make: Make = Make.OWN, **wishes: object) -> Known:
    held = [*HELD, made(77, PatientName=NAME, StudyDate="20200101")]
    with quirky(held, quirks, make=make) as pacs:
        to = Remote(host=HOST, port=pacs.port, calling="HILUM", called=pacs.aet)
        return await probe(to, Wishes(**{"deadline": 1.0, **wishes}), lambda _: None)  # type: ignore[arg-type]


@pytest.mark.parametrize("make", Make, ids=lambda each: each.value)
async def test_of_a_good_pacs_nothing_need_be_set(make: Make) -> None:
    known = await probed(make=make)
    assert known.settings == {}
    assert all(not each.text.startswith(("not known", "fails")) for each in known.findings)


async def test_no_word_is_said_of_anybody() -> None:
    known = await probed(Quirks(charset="ISO_IR 100", ignores=frozenset((0x00100010,))))
    said = " ".join(f"{each.text} {each.value}" for each in known.findings)
    for secret in ("Müller", "Doe", "P77", "1.2.826.0.1.3680043.10.1777", "20200101"):
        assert secret not in said


async def test_many_quirks_are_told_apart() -> None:
    quirks = Quirks(
        charset="ISO_IR 100",
        relational=False,
        agrees=True,
        cancel=Cancel.ABORTED,
        slow=0.005,
        nothing=True,
    )
    known = await probed(quirks)
    assert known.settings == {
        "charset": "ISO_IR 100",
        "relational": "never",
        "cancel": "abort",
        "retrieve": "move",
    }


async def test_nothing_is_retrieved_where_that_is_not_wanted() -> None:
    known = await probed(retrieves=False)
    assert not [each for each in known.findings if each.name in ("get", "move")]


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("kind", ["stalls", "drops"])
@pytest.mark.parametrize("point", [each for each in Point if each is not Point.ASSOCIATE])
async def test_a_peer_that_breaks_off_is_probed_to_the_end(
    point: Point, kind: str, after: int
) -> None:
    began = time.monotonic()
    known = await probed(Quirks(**{kind: point, "after": after}))  # type: ignore[arg-type]
    assert time.monotonic() - began < 40
    assert found(known, "move")


async def test_a_peer_that_says_nothing_is_not_waited_for() -> None:
    with pytest.raises(BackendError):
        await probed(Quirks(stalls=Point.ASSOCIATE))
