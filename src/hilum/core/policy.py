"""May this caller do this here? One table for every door.

Decided by what is for everybody, else by what the caller's token or entry grants, else by the first
rule that fits and grants it. Rules are about who proved something only. What nothing grants is
refused: `Unauthenticated` where nobody proved who they are, or no longer, else `Forbidden`.
"""

import ipaddress
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from hilum.core import operations as ops
from hilum.model.errors import Forbidden, Unauthenticated
from hilum.model.principal import Grant, Principal, Proof, Right

RIGHTS: Final[Mapping[type[ops.Operation], Right]] = {
    ops.Echo: Right.ECHO,
    ops.Find: Right.QUERY,
    ops.Retrieve: Right.RETRIEVE,
    ops.Describe: Right.RETRIEVE,
    ops.Bulk: Right.RETRIEVE,
    ops.Lend: Right.RETRIEVE,
    ops.Store: Right.STORE,
    ops.Delete: Right.DELETE,
    ops.Send: Right.SEND,
}
"""What each operation needs; `Come` says so itself."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Who may do what where. A condition that is not set fits everybody; of a list one must fit.

    Attributes:
        name: its key in the configuration.
        names: patterns of `Principal.name`, with `*` and `?`.
        claims: claim -> values, of which the token must have one.
        ae_titles: Calling AE Titles.
        certificates: patterns of certificate subjects.
        networks: from where.
    """

    name: str
    grant: Grant
    names: tuple[str, ...] = ()
    claims: Mapping[str, frozenset[str]] | None = None
    ae_titles: frozenset[str] = frozenset()
    certificates: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()

    def fits(self, principal: Principal) -> bool:
        """Whether it is about that caller."""
        return (
            (not self.names or _matches(principal.name, self.names))
            and (not self.claims or _claimed(principal.claims, self.claims))
            and (not self.ae_titles or principal.ae_title in self.ae_titles)
            and (not self.certificates or _matches(principal.certificate, self.certificates))
            and (not self.networks or _within(principal.address, self.networks))
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, and by what.

    Attributes:
        by: the rule, or what of the caller, in words for people.
    """

    allowed: bool
    by: str


# Made once, as every request needs some.
_ANYBODY: Final = Decision(allowed=True, by="there is no [auth]: everybody may")
_GRANTED: Final = {each: Decision(allowed=True, by=f"granted by its {each}") for each in Proof}
_NEEDS: Final = {kind: frozenset((right,)) for kind, right in RIGHTS.items()}

Told = Callable[[ops.Operation, Decision], None]


class Policy:
    """Decides; callable as `Authorise`.

    Args:
        rules: in the order of the configuration.
        anonymous: what may be done without any login.
        told: is told of each decision against.
        anybody: where there is no login at all, everybody may do everything.
    """

    def __init__(
        self,
        rules: Sequence[Rule] = (),
        anonymous: Grant | None = None,
        told: Told | None = None,
        *,
        anybody: bool = False,
    ) -> None:
        self._rules = tuple(rules)
        self._anonymous = anonymous
        self._told = told
        self._anybody = anybody

    @property
    def lets_nobody_in(self) -> bool:
        """Whether nothing at all may be done without a login."""
        return not self._anybody and self._anonymous is None

    def __call__(self, operation: ops.Operation, /) -> None:
        """Let it pass, or not.

        Raises:
            Unauthenticated: the caller proved nothing, or no longer, and it is not for everybody.
            Forbidden: the caller may not.
        """
        if self._anybody:
            return
        decision = self.decision(operation)
        if decision.allowed:
            return
        if self._told is not None:
            self._told(operation, decision)
        if not operation.who.is_known:
            raise Unauthenticated("this needs a login")
        if operation.who.has_expired(time.time()):
            raise Unauthenticated("the login has expired")
        raise Forbidden(f"this caller may not {' or '.join(sorted(needs(operation)))} there")

    def decision(self, operation: ops.Operation) -> Decision:
        """Whether an operation may be; nobody is told."""
        return self.decide_any(operation.who, needs(operation), operation.mount)

    def decide_any(self, principal: Principal, rights: frozenset[Right], mount: str) -> Decision:
        """Whether `principal` has one of those rights on that mount; why not, of the first."""
        if self._anybody:
            return _ANYBODY
        first = None
        for right in rights if len(rights) == 1 else sorted(rights):
            decision = self.decide(principal, right, mount)
            if decision.allowed:
                return decision
            first = first or decision
        assert first is not None  # noqa: S101 - every operation needs a right
        return first

    def decide(self, principal: Principal, right: Right, mount: str) -> Decision:
        """Whether `principal` has that right on that mount."""
        if self._anybody:
            return _ANYBODY
        if principal.proof is Proof.ADMITTED:
            return Decision(allowed=True, by="it was authorised when it began")
        if self._anonymous is not None and self._anonymous.covers(right, mount):
            return Decision(allowed=True, by="auth.anonymous")
        if not principal.is_known:
            return Decision(allowed=False, by="there is no login, and auth.anonymous has it not")
        if principal.has_expired(time.time()):
            return Decision(allowed=False, by="the login has expired")
        return self._known(principal, right, mount)

    def _known(self, principal: Principal, right: Right, mount: str) -> Decision:
        """Whether one that has proved something has it."""
        for grant in principal.grants:
            if grant.covers(right, mount):
                return _GRANTED[principal.proof]
        near = ""
        for rule in self._rules:
            if not rule.fits(principal):
                continue
            if rule.grant.covers(right, mount):
                return Decision(allowed=True, by=f"auth.rules.{rule.name}")
            near = near or rule.name
        if near:
            return Decision(allowed=False, by=f"auth.rules.{near} fits and does not allow it")
        return Decision(allowed=False, by="no rule fits")


def needs(operation: ops.Operation) -> frozenset[Right]:
    """The rights of which an operation needs one."""
    return operation.any_of if isinstance(operation, ops.Come) else _NEEDS[type(operation)]


def _matches(text: str, patterns: Iterable[str]) -> bool:
    return bool(text) and any(fnmatchcase(text, each) for each in patterns)


def _claimed(claims: Mapping[str, Any], wanted: Mapping[str, frozenset[str]]) -> bool:
    return all(_values(_at(claims, path)) & values for path, values in wanted.items())


def _at(claims: Mapping[str, Any], path: str) -> object:
    """A claim by its name, or by names with dots between: `realm_access.roles`."""
    if path in claims:
        return claims[path]
    found: object = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _values(found: object) -> set[str]:
    """The values of a claim: of a list each, of a text its words too."""
    if isinstance(found, str):
        return {found, *found.split()}
    if isinstance(found, (list, tuple)):
        return {str(each) for each in found if isinstance(each, (str, int)) and each is not True}
    return {str(found)} if isinstance(found, (int, bool)) else set()


def _within(address: str, networks: Iterable[Network]) -> bool:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in network for network in networks)
