"""Who calls, over DIMSE? By User Identity Negotiation (PS3.7 §D.3.3.7), or as is believed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hmac import compare_digest
from typing import Final

from hilum.codec.associate import AssociateAccept, AssociateRequest, UserIdentity
from hilum.config.peers import Peer
from hilum.core.login import Login
from hilum.model.errors import Unauthenticated
from hilum.model.principal import Grant, Principal, Proof, Right, joined

_USERNAME, _PASSCODE, _WEB_TOKEN = 1, 2, 5
_TYPES: Final = {
    _USERNAME: "a user name",
    _PASSCODE: "a user name and passcode",
    3: "a Kerberos ticket",
    4: "a SAML assertion",
    _WEB_TOKEN: "a JSON Web Token",
}
_PADDING: Final = b"\0 "  # to even length, by some peers


@dataclass(frozen=True, slots=True)
class Identities:
    """Tells who calls.

    Attributes:
        peers: by AE title.
    """

    login: Login
    peers: Mapping[str, Peer]

    async def principal(self, request: AssociateRequest, beside: Principal) -> Principal:
        """Who calls; nobody that is known, where nothing is said and nothing is believed.

        Args:
            request: says who, perhaps.
            beside: what the connection shows.

        Raises:
            Unauthenticated: what is said is not good.
            BackendError: nobody can say now whether it is.
        """
        if self.login.tokens is None:
            return beside
        said = request.negotiation.identity
        peer = self.peers.get(request.calling_ae_title)
        if said is None:
            return _believed(peer, beside)
        token = self.token(request)
        if token is not None:
            return joined(await self.login.tokens.verified(token), beside)
        if peer is not None and peer.auth == "password" and said.type in {_USERNAME, _PASSCODE}:
            return _named(peer, said, beside)
        kind = _TYPES.get(said.type, "an identity of an unknown type")
        raise Unauthenticated(f"{kind} is not taken from this caller")

    def token(self, request: AssociateRequest) -> str | None:
        """The token that is shown; None where that is something else.

        Raises:
            Unauthenticated: it cannot be one.
        """
        said = request.negotiation.identity
        if self.login.tokens is None or said is None or said.type != _WEB_TOKEN:
            return None
        try:
            return said.primary.rstrip(_PADDING).decode("ascii")
        except UnicodeDecodeError:
            raise Unauthenticated("this is no JSON Web Token") from None

    def told(self, request: AssociateRequest, accept: AssociateAccept) -> AssociateAccept:
        """The acceptance, with the positive response where one is wanted (PS3.7 §D.3.3.7.2)."""
        said = request.negotiation.identity
        if self.login.tokens is None or said is None or not said.response_requested:
            return accept
        return replace(accept, negotiation=replace(accept.negotiation, identity_response=b""))


def _believed(peer: Peer | None, beside: Principal) -> Principal:
    """Who calls without a word on it."""
    if peer is not None and peer.auth == "ae":
        return replace(beside, name=peer.aet, proof=Proof.AE_TITLE, grants=(granted(peer),))
    if beside.certificate:
        return replace(beside, name=beside.certificate, proof=Proof.CERTIFICATE)
    return beside


def _named(peer: Peer, said: UserIdentity, beside: Principal) -> Principal:
    """Who says a name, and the passcode that goes with it.

    Raises:
        Unauthenticated: another one, or not both.
    """
    name = (peer.username or "").encode()
    passcode = b"" if peer.password is None else peer.password.get_secret_value().encode()
    kind = _USERNAME if peer.password is None else _PASSCODE
    good = compare_digest(said.primary.rstrip(_PADDING), name)
    if kind == _PASSCODE:
        given = said.secondary
        good &= compare_digest(given, passcode) | compare_digest(given.rstrip(_PADDING), passcode)
    if said.type != kind or not good:
        raise Unauthenticated("the user name or passcode is not good")
    proof = Proof.PASSWORD if kind == _PASSCODE else Proof.AE_TITLE
    return replace(beside, name=peer.username or "", proof=proof, grants=(granted(peer),))


def granted(peer: Peer) -> Grant:
    """What a peer may do that is believed."""
    return Grant(frozenset(map(Right, peer.may)), frozenset(peer.mounts))
