"""PS3.16 Annex L and CID 4031, as pydicom's dictionary of codes has them."""

from typing import Final

from pydicom.sr.codedict import codes

from hilum.codec.fhir.body_sites import BODY_SITES, terms

_ORGANS: Final = {"AORTA", "BRAIN", "KIDNEY", "LIVER", "LUNG", "SPLEEN", "THYROID", "UTERUS"}
"""In Annex L, and not in the context group."""


def test_the_codes_are_those_of_the_standard() -> None:
    regions = {
        name.upper(): concept.value
        for name, concept in codes.cid4031.concepts.items()
        if concept.scheme_designator == "SCT" and name != "Hip"  # the term names the joint
    }
    assert {term: regions.get(term, code) for term, code in BODY_SITES.items()} == BODY_SITES
    others = {term for term, code in BODY_SITES.items() if code not in regions.values()}
    assert others == _ORGANS


def test_a_code_is_read_by_the_term_of_today_and_those_of_earlier_editions() -> None:
    assert terms("30021000") == ["LOWERLEG", "LEG"]
    assert terms("51185008") == terms("816094009") == ["CHEST"]
    assert terms("1") == []
