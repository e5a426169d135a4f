from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilum.codec.fhir.resources import Page, all_said, counted, every, issue, local, page, said
from hilum.codec.fhir.resources import within as inside
from hilum.model.errors import BadRequest

ROOT = "http://far/fhir"
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(["entry", "resource", "link", "search", "id", "resourceType"]),
            below,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def bundle(**more: Any) -> bytes:
    return orjson.dumps({"resourceType": "Bundle", **more})


def test_matches_and_what_is_beside_them() -> None:
    study = {"resourceType": "ImagingStudy", "id": "s", "subject": {"reference": "Patient/1"}}
    patient = {"resourceType": "Patient", "id": "1"}
    url = f"{ROOT}/Patient/1"
    entries = [
        {"resource": study},
        {"resource": patient, "fullUrl": "urn:uuid:x", "search": {"mode": "include"}},
        {"resource": {**study, "id": "t"}, "search": {"mode": "include"}},
        {"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}},
    ]
    found = page(bundle(entry=entries, total=7), "ImagingStudy", ROOT)
    assert (found.matches, found.total, found.following) == ([study], 7, "")
    for name in ("Patient/1", url, f"{url}/_history/3", "urn:uuid:x"):
        assert found.referred({"reference": name}, study, ROOT) == patient
    for name in ("Patient/2", "", "http://other/fhir/Patient/1"):
        assert found.referred({"reference": name}, study, ROOT) is None
    contained = {"contained": [{"id": "p"}]}
    assert found.referred({"reference": "#p"}, contained, ROOT) == {"id": "p"}
    assert local(f"{ROOT}/Patient/1", ROOT) == "Patient/1"


def test_the_next_page() -> None:
    links = [{"relation": "self", "url": "a"}, {"relation": "next", "url": "b"}]
    assert page(bundle(link=links), "ImagingStudy", ROOT).following == "b"


@pytest.mark.parametrize("data", [b"", b"<x/>", b"[]", b"1", b'{"resourceType": "Patient"}'])
def test_what_is_no_bundle(data: bytes) -> None:
    with pytest.raises(BadRequest):
        page(data, "ImagingStudy", ROOT)


@given(ANYTHING)
@settings(max_examples=20)
def test_whatever_stands_in_a_bundle_is_read(thing: Any) -> None:
    found = page(orjson.dumps({"resourceType": "Bundle", "entry": thing, "link": thing}), "X", ROOT)
    assert isinstance(found, Page)
    for each in (thing, {"x": thing}):
        assert isinstance(said(each, "x"), str)
        assert isinstance(inside(each, "x"), dict)
        assert all(isinstance(e, dict) for e in every(each, "x"))
        assert all(all_said(each, "x"))
        number = counted(each, "x")
        assert number is None or number >= 0
    issue(orjson.dumps(thing))


def test_of_an_outcome_only_its_code_is_told() -> None:
    made = {"issue": [{"code": "not-found", "diagnostics": "Doe^Jane"}]}
    assert issue(orjson.dumps(made)) == "not-found"
    assert issue(b'{"issue": [{"code": "Doe Jane 1970"}]}') == ""
    assert issue(b"<html>") == ""
