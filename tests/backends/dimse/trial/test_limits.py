import pytest
from tests.backends.dimse.trial.known import HELD, KNOWN, found, knowing
from tests.contract.made import made
from tests.quirky import Cancel, Make, Point, Quirks

from hilum.backends.dimse.trial.keys import keys
from hilum.backends.dimse.trial.limits import cancel, cap

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("make", Make, ids=lambda each: each.value)
async def test_a_limit_shows_in_two_halves(make: Make) -> None:
    async with knowing(Quirks(cap=7), (*KNOWN, cap), make=make) as (known, _):
        assert found(known, "cap").value == 7
        assert known.settings["max_answers"] == 7


async def test_no_limit() -> None:
    async with knowing(trials=(*KNOWN, cap)) as (known, _):
        assert found(known, "cap").value == 0


async def test_a_round_number_of_one_day_is_suspicious() -> None:
    held = [made(number) for number in range(1, 61)]
    async with knowing(Quirks(cap=50), (*KNOWN, cap), held) as (known, _):
        finding = found(known, "cap")
        assert (finding.value, "looks like a limit" in finding.text) == (50, True)


async def test_where_dates_are_ignored_nothing_is_parted() -> None:
    quirks = Quirks(cap=7, ignores=frozenset((0x00080020,)))
    async with knowing(quirks, (*KNOWN, keys, cap)) as (known, _):
        assert "cannot be parted" in found(known, "cap").text


async def test_few_studies_tell_nothing() -> None:
    async with knowing(trials=(*KNOWN, cap), held=HELD[:4]) as (known, _):
        assert found(known, "cap").value is None


async def test_endless_answers_are_not_counted_for_ever() -> None:
    async with knowing(Quirks(endless=True), (*KNOWN, cap)) as (known, _):
        assert found(known, "cap").text == "more than 1001"


@pytest.mark.parametrize("make", Make, ids=lambda each: each.value)
@pytest.mark.parametrize(
    ("quirks", "value", "settings"),
    [
        (Quirks(slow=0.02), "honoured", {}),
        (Quirks(endless=True), "honoured", {}),
        (Quirks(endless=True, cancel=Cancel.IGNORED), "ignored", {"cancel": "abort"}),
        (Quirks(slow=0.1, cancel=Cancel.IGNORED), "ignored", {"cancel": "abort"}),
        (Quirks(endless=True, cancel_delay=20), "ignored", {"cancel": "abort"}),
        (Quirks(slow=0.02, cancel=Cancel.ABORTED), "aborts", {"cancel": "abort"}),
        (Quirks(slow=0.02, cancel=Cancel.ABORTED, cancel_delay=0.5), "aborts", {"cancel": "abort"}),
    ],
)
async def test_what_becomes_of_a_cancel(
    make: Make, quirks: Quirks, value: str, settings: dict[str, str]
) -> None:
    async with knowing(quirks, [cancel], make=make) as (known, pacs):
        assert found(known, "cancel").value == value
        assert known.settings == settings
        assert pacs.cancels >= 1


async def test_an_end_before_the_cancel_tells_nothing() -> None:
    async with knowing(trials=[cancel], held=HELD[:2]) as (known, _):
        assert found(known, "cancel").value is None
        assert known.settings == {}


async def test_silence_after_the_cancel_is_not_waited_for_for_ever() -> None:
    async with knowing(Quirks(stalls=Point.BETWEEN), [cancel]) as (known, _):
        assert found(known, "cancel").value == "ignored"
