import time
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from hilum.core import operations as ops
from hilum.core.policy import RIGHTS, Decision, Policy, Rule, needs
from hilum.model.errors import Forbidden, Unauthenticated
from hilum.model.identity import Ref
from hilum.model.principal import NOBODY, OURSELVES, Grant, Principal, Proof, Right

ECHO = frozenset((Right.ECHO,))
KNOWN = Principal("ann", Proof.TOKEN)


def kinds() -> set[type[ops.Operation]]:
    found = (each for each in vars(ops).values() if isinstance(each, type))
    return {each for each in found if issubclass(each, ops.Operation)} - {ops.Operation}


def rule(*rights: Right, mounts: tuple[str, ...] = ("*",), **conditions: Any) -> Rule:
    return Rule(name="r", grant=Grant(frozenset(rights), frozenset(mounts)), **conditions)


def retrieve(who: Principal, mount: str = "PACS") -> ops.Retrieve:
    return ops.Retrieve(mount=mount, who=who, refs=(Ref("1"),))


def test_every_operation_needs_a_right() -> None:
    assert kinds() == {*RIGHTS, ops.Come}


def test_without_logins_everybody_may_do_everything() -> None:
    for right in Right:
        assert Policy(anybody=True).decide(NOBODY, right, "PACS").allowed


def test_nothing_is_allowed_by_itself() -> None:
    policy = Policy()
    with pytest.raises(Unauthenticated):
        policy(retrieve(NOBODY))
    with pytest.raises(Forbidden):
        policy(retrieve(KNOWN))


def test_what_is_for_everybody_is_for_those_with_a_login_too() -> None:
    policy = Policy(anonymous=Grant(ECHO))
    for who in (NOBODY, KNOWN, replace(KNOWN, expires=1.0)):
        assert policy.decide(who, Right.ECHO, "PACS") == Decision(allowed=True, by="auth.anonymous")
        assert not policy.decide(who, Right.QUERY, "PACS").allowed
    assert not policy.lets_nobody_in
    assert Policy().lets_nobody_in


def test_a_grant_holds_at_its_mounts() -> None:
    who = replace(KNOWN, grants=(Grant(frozenset((Right.RETRIEVE,)), frozenset(("PACS",))),))
    Policy()(retrieve(who))
    with pytest.raises(Forbidden):
        Policy()(retrieve(who, "OTHER"))
    with pytest.raises(Forbidden):
        Policy()(ops.Echo(mount="PACS", who=who))


@pytest.mark.parametrize(
    ("conditions", "fits", "not_"),
    [
        ({"names": ("ann", "b*")}, {"name": "bob"}, {"name": "carl"}),
        ({"claims": {"roles": frozenset("x")}}, {"claims": {"roles": ["x", "y"]}}, {"claims": {}}),
        (
            {"claims": {"realm.roles": frozenset(("x",))}},
            {"claims": {"realm": {"roles": "a x"}}},
            {"claims": {"realm": "x"}},
        ),
        ({"ae_titles": frozenset(("CT1",))}, {"ae_title": "CT1"}, {"ae_title": "CT2"}),
        ({"certificates": ("CN=ct*",)}, {"certificate": "CN=ct1,O=X"}, {"certificate": ""}),
        (
            {"networks": (ip_network("10.1.0.0/16"), ip_network("2001:db8::/32"))},
            {"address": "::ffff:10.1.2.3"},
            {"address": "10.2.0.1"},
        ),
        ({"networks": (ip_network("fe80::/10"),)}, {"address": "fe80::1%eth0"}, {"address": "x"}),
    ],
)
def test_a_rule_is_about_whom_it_fits(
    conditions: dict[str, Any], fits: dict[str, Any], not_: dict[str, Any]
) -> None:
    policy = Policy([rule(Right.QUERY, **conditions)])
    assert policy.decide(replace(KNOWN, **fits), Right.QUERY, "PACS").by == "auth.rules.r"
    assert policy.decide(replace(KNOWN, **not_), Right.QUERY, "PACS").by == "no rule fits"


def test_all_conditions_of_a_rule_must_fit() -> None:
    policy = Policy([rule(Right.QUERY, names=("ann",), ae_titles=frozenset(("CT1",)))])
    assert not policy.decide(KNOWN, Right.QUERY, "PACS").allowed
    assert policy.decide(replace(KNOWN, ae_title="CT1"), Right.QUERY, "PACS").allowed


def test_no_rule_is_about_who_proved_nothing() -> None:
    policy = Policy([rule(Right.QUERY, ae_titles=frozenset(("CT1",)))])
    claimed = Principal("CT1", ae_title="CT1")
    assert not policy.decide(claimed, Right.QUERY, "PACS").allowed
    assert policy.decide(replace(claimed, proof=Proof.AE_TITLE), Right.QUERY, "PACS").allowed


def test_of_several_rights_one_is_enough_and_else_the_first_says_why() -> None:
    policy = Policy([rule(Right.QUERY, names=("*",))])
    either = frozenset((Right.STORE, Right.QUERY))
    assert policy.decide_any(KNOWN, either, "PACS").by == "auth.rules.r"
    refused = policy.decide_any(KNOWN, frozenset((Right.STORE, Right.ECHO)), "PACS")
    assert refused == policy.decide(KNOWN, Right.ECHO, "PACS")


def test_a_rule_that_fits_and_does_not_allow_does_not_forbid_either() -> None:
    near = replace(rule(Right.ECHO, names=("*",)), name="near")
    far = replace(rule(Right.QUERY, names=("*",)), name="far")
    assert Policy([near, far]).decide(KNOWN, Right.QUERY, "PACS").by == "auth.rules.far"
    said = Policy([near, far]).decide(KNOWN, Right.STORE, "PACS")
    assert said == Decision(allowed=False, by="auth.rules.near fits and does not allow it")


def test_who_has_expired_may_nothing_and_is_told_to_log_in() -> None:
    grants = (Grant(frozenset(Right)),)
    good = replace(KNOWN, grants=grants, expires=time.time() + 60)
    Policy()(retrieve(good))
    with pytest.raises(Unauthenticated):
        Policy()(retrieve(replace(good, expires=time.time() - 1)))


def test_what_was_admitted_goes_on() -> None:
    Policy()(retrieve(replace(KNOWN, expires=1.0).admitted()))
    Policy()(retrieve(OURSELVES))


def test_one_of_several_rights_is_enough_to_come() -> None:
    who = replace(KNOWN, grants=(Grant(ECHO),))
    come = ops.Come(mount="PACS", who=who, any_of=frozenset(Right))
    assert needs(come) == frozenset(Right)
    Policy()(come)
    with pytest.raises(Forbidden):
        Policy()(replace(come, any_of=frozenset((Right.ADMIN, Right.DELETE))))


def test_each_decision_against_is_told_once() -> None:
    told: list[tuple[ops.Operation, Decision]] = []
    policy = Policy(told=lambda *each: told.append(each))
    with pytest.raises(Forbidden):
        policy(retrieve(KNOWN))
    policy.decision(retrieve(KNOWN))
    assert told == [(retrieve(KNOWN), Decision(allowed=False, by="no rule fits"))]
