"""Who is let in, to ask for what? Decided by what an A-ASSOCIATE-RQ says (PS3.8 §7.1)."""

import json
import re
import time
from dataclasses import replace
from typing import Final

from hilum.codec.associate import APPLICATION_CONTEXT, AssociateAccept, AssociateRequest
from hilum.codec.sop_class import UNCOMPRESSED
from hilum.config.schema import Settings
from hilum.core.broker import Broker
from hilum.core.login import Login
from hilum.frontends.dimse.identity import Identities, granted
from hilum.model.errors import BackendError, Unauthenticated
from hilum.model.principal import Principal, Proof
from hilum.net.inbox import Inbox
from hilum.net.tls import subject
from hilum.upper_layer.association import Association
from hilum.upper_layer.negotiation import Offer

PERMANENT, TRANSIENT = 1, 2  # result of an A-ASSOCIATE-RJ, PS3.8 Table 9-21
Refusal = tuple[int, int, int, str]
"""Result, source and reason of an A-ASSOCIATE-RJ, and what the log says."""

_BARE_KEY: Final = re.compile("[A-Za-z0-9_-]+")


class Admission:
    """Decides by what the caller says, whoever else is there."""

    def __init__(self, broker: Broker, settings: Settings, inbox: Inbox, login: Login) -> None:
        self._broker = broker
        self._inbox = inbox
        self._settings = settings
        self._login = login
        limits = settings.dimse
        self._offer = Offer(
            limits.max_pdu, frozenset(limits.sop_classes), frozenset(limits.transfer_syntaxes)
        )
        self._callers = {peer.aet: peer for peer in settings.peers.values()}
        self._identities = Identities(login, self._callers)

    def is_expected(self, association: Association, request: AssociateRequest) -> bool:
        """Whether it may bring what a C-MOVE of ours asks for."""
        called, calling = request.called_ae_title, request.calling_ae_title
        return self._inbox.admits(called, calling, association.address)

    def refusal(self, association: Association, request: AssociateRequest) -> Refusal | None:
        """Why it does not come in, as far as its titles tell."""
        called, calling = request.called_ae_title, request.calling_ae_title
        if not request.protocol_version & 1:
            return PERMANENT, 2, 2, "protocol version not supported"
        if request.application_context != APPLICATION_CONTEXT:
            return PERMANENT, 1, 2, "application context not supported"
        is_mount = self._broker.mounts.meant(called) in self._broker.mounts
        if not is_mount and not self._inbox.receives(called):
            why = f"called AE title {called!r} is no mount; to have it, add [mounts.{_key(called)}]"
            return PERMANENT, 1, 7, why
        if not self.is_expected(association, request) and not self._is_let_in(request):
            why = (
                f"calling AE title {calling!r} is no peer; to let it in, add "
                f"[peers.{_key(calling)}] with aet = {json.dumps(calling)}, "
                f'host = "{association.address}" and its port'
            )
            return PERMANENT, 1, 3, why
        return None

    def offer(self, request: AssociateRequest) -> Offer:
        """What is taken of the caller: where only C-MOVEs of ours receive, whatever comes."""
        called = request.called_ae_title
        if self._inbox.uncompressed(called, request.calling_ae_title):
            return replace(self._offer, transfer_syntaxes=frozenset(UNCOMPRESSED))
        if self._broker.mounts.meant(called) not in self._broker.mounts:
            return Offer(self._offer.max_pdu)
        return self._offer

    async def caller(
        self, association: Association, request: AssociateRequest
    ) -> tuple[Principal, Refusal | None]:
        """Who calls, and why it is refused for that.

        PS3.7 §D.3.3.7.3: an identity that is not good is "rejected-permanent" by the "DICOM UL
        service-provider (ACSE related function)". Who may bring what a C-MOVE of ours waits for
        needs none: what it brings is held against what is waited for.
        """
        calling = request.calling_ae_title
        beside = Principal(
            calling,
            ae_title=calling,
            address=association.address,
            certificate=subject(association.certificate),
        )
        is_expected = self.is_expected(association, request)
        try:
            who = await self._identities.principal(request, beside)
        except Unauthenticated as error:
            if is_expected:
                return beside, None
            return beside, (PERMANENT, 2, 1, f"its identity is not taken: {error}")
        except BackendError as error:
            if is_expected:
                return beside, None
            return beside, (TRANSIENT, 3, 1, f"its identity cannot be verified: {error}")
        if not is_expected and not self._is_enough(who):
            why = "it says no identity; to believe its AE title, "
            return who, (PERMANENT, 2, 1, f'{why}add auth = "ae" to its entry in [peers]')
        return who, None

    def told(self, request: AssociateRequest, accept: AssociateAccept) -> AssociateAccept:
        """The acceptance, which tells that the identity is taken."""
        return self._identities.told(request, accept)

    def token(self, request: AssociateRequest) -> str | None:
        """The token that was shown, and was good; None where there was none."""
        try:
            return self._identities.token(request)
        except Unauthenticated:  # of who brings what is expected, whatever it says
            return None

    async def doubt(self, who: Principal, token: str | None) -> str:
        """Why a caller that was let in may ask for nothing more; "" when it may.

        A token is looked at again for each operation, as it may have been revoked meanwhile.
        """
        if who.has_expired(time.time()):
            return "the login has expired"
        if who.proof in {Proof.AE_TITLE, Proof.PASSWORD}:
            peer = self._callers.get(who.ae_title)
            if peer is None or granted(peer) not in who.grants:
                return "its entry in [peers] has changed since it came: it must call anew"
        if token is not None and self._login.tokens is not None:
            try:
                await self._login.tokens.verified(token)
            except (Unauthenticated, BackendError) as error:
                return str(error)
        return ""

    def may_ask(self, request: AssociateRequest, who: Principal) -> bool:
        """Whether the caller may ask for all that its rights allow."""
        return self._is_let_in(request) and self._is_enough(who)

    def _is_enough(self, who: Principal) -> bool:
        """Whether so much as it proves is enough to come in."""
        return who.is_known or not self._login.policy.lets_nobody_in

    def _is_let_in(self, request: AssociateRequest) -> bool:
        """Whether the calling AE title may come in."""
        accept_all = self._settings.dimse.accept_unknown_callers
        return accept_all or request.calling_ae_title in self._callers


def _key(title: str) -> str:
    """An AE title as a key of TOML; quoted where it must be, so that it cannot break the line."""
    return title if _BARE_KEY.fullmatch(title) else json.dumps(title)
