import pytest
from tests.backends.dimse.trial.known import found, knowing
from tests.quirky import Quirks

from hilum.backends.dimse.trial.doors import doors, reach
from hilum.codec.sop_class import (
    GET,
    PATIENT_ROOT_FIND,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
)
from hilum.upper_layer.standing import AssociationRejected

pytestmark = pytest.mark.anyio


async def test_it_lives_and_says_who_it_is() -> None:
    async with knowing(Quirks(max_pdu=20000), [reach]) as (known, _):
        assert found(known, "max_pdu").value == 20000
        assert str(found(known, "implementation").value).startswith("HILUM")
        assert isinstance(found(known, "echo_seconds").value, float)


async def test_who_does_not_want_us_says_so() -> None:
    with pytest.raises(AssociationRejected):
        async with knowing(Quirks(callers=frozenset()), [reach]):
            pass


async def test_everything_is_accepted() -> None:
    async with knowing(trials=[doors]) as (known, _):
        for name in ("c_find", "c_get", "c_move"):
            assert found(known, name).value == {"study": True, "patient": True}
        assert known.relational
        assert "1.2.840.10008.5.1.4.1.1.2" in known.senders
        assert "1.2.840.10008.1.2.1" in found(known, "storage").value  # type: ignore[operator]
        assert known.settings == {}


async def test_what_is_refused_is_told() -> None:
    refuses = frozenset((PATIENT_ROOT_FIND, *GET))
    async with knowing(Quirks(refuses=refuses, no_roles=True), [doors]) as (known, _):
        assert found(known, "c_find").value == {"study": True, "patient": False}
        assert found(known, "c_get").text == "not accepted"
        assert found(known, "storage").value == []
        assert known.settings == {}


async def test_patient_root_is_taken_where_study_root_is_not_offered() -> None:
    refuses = frozenset((STUDY_ROOT_FIND, STUDY_ROOT_GET, STUDY_ROOT_MOVE))
    async with knowing(Quirks(refuses=refuses), [doors]) as (known, _):
        assert known.patient_root
        assert known.settings == {"information_model": "patient"}
