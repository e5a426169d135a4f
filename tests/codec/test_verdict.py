import inspect
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from hilum.codec.verdict import UNEXPECTED, VERDICTS, WARNINGS, Dimse, Verdict, verdict_on
from hilum.model import errors


def leaves(kind: type[errors.HilumError]) -> Iterator[type[errors.HilumError]]:
    below = kind.__subclasses__()
    if not below:
        yield kind
    for each in below:
        yield from leaves(each)


@pytest.mark.parametrize(
    "kind", sorted(set(leaves(errors.HilumError)), key=lambda kind: kind.__name__)
)
def test_every_leaf_of_the_tree_has_a_row(kind: type[errors.HilumError]) -> None:
    if kind.__module__ == errors.__name__:
        assert kind in VERDICTS


def test_the_tree_in_the_text_is_the_tree() -> None:
    names = {
        line.strip(" *+-").split()[0]
        for line in (errors.__doc__ or "").splitlines()
        if line[:6].strip(" *+-") != line[:6].strip()
    }
    defined = {
        name
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, errors.HilumError)
    }
    assert names == defined


@pytest.mark.parametrize("verdict", [*VERDICTS.values(), UNEXPECTED])
def test_every_verdict_is_a_failure_that_its_service_lists(verdict: Verdict) -> None:
    general = {0x0122, 0x0124}
    assert verdict.http >= HTTPStatus.BAD_REQUEST
    for status in (verdict.find, verdict.retrieve, verdict.store):
        assert status in general or status >> 12 == 0xC or status >> 8 in {0xA7, 0xA8, 0xA9}


@pytest.mark.parametrize(
    ("error", "http", "store", "reason"),
    [
        (errors.Conflict(), 409, 0xC111, 0x0111),
        (errors.ClassMismatch(), 409, 0xA900, 0xA900),
        (errors.ClassRefused(), 409, 0x0122, 0x0122),
        (errors.SyntaxRefused(), 409, 0xC122, 0xC122),
        (errors.BadDataset(), 409, 0xC000, 0xC000),
        (errors.OutOfResources(), 503, 0xA700, 0xA700),
        (errors.TooLarge(), 413, 0xA700, 0xA700),
    ],
)
def test_stores_are_refused_in_the_standards_words(
    error: errors.HilumError, http: int, store: int, reason: int
) -> None:
    verdict = verdict_on(error)
    assert (verdict.http, verdict.store, verdict.reason) == (http, store, reason)


def test_an_unknown_move_destination_is_a801() -> None:
    assert verdict_on(errors.UnknownDestination()).retrieve == 0xA801


def test_a_kind_that_nobody_listed_is_judged_by_its_base() -> None:
    class Stranger(errors.BadQuery):
        pass

    assert verdict_on(Stranger()) is VERDICTS[errors.BadQuery]


def test_an_unnamed_error_is_internal() -> None:
    verdict = verdict_on(KeyError("x"))
    assert (verdict.http, verdict.store, verdict.reason) == (500, 0xC000, 0x0110)


def test_warnings_are_those_of_table_b_2_1() -> None:
    assert {0xB000, 0xB006, 0xB007} == WARNINGS
    assert Dimse.SUBOPERATIONS_WITH_FAILURES == 0xB000
