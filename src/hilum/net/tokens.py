"""Is a token good, and whose is it? The same for HTTP and DIMSE (RFC 7519, RFC 8725)."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

import jwt

from hilum.config.auth import TokenSettings
from hilum.model.errors import Unauthenticated
from hilum.model.issued import PREFIX
from hilum.model.principal import Grant, Principal, Proof, Right
from hilum.net.keys import Keys

_LONGEST_NAME: Final = 200  # characters
_MALFORMED: Final = (ValueError, TypeError, RecursionError, OverflowError)
"""What PyJWT raises beside its own, of what is no JSON, or JSON without an end."""
_WRITTEN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_RIGHTS: Final = frozenset(str(each) for each in Right)


class Issued(Protocol):
    """Knows the tokens that we have issued ourselves."""

    async def holder(self, token: str, /) -> Principal | None:
        """Whose it is; None when it is unknown, has expired or was revoked."""


class Tokens:
    """Verifies tokens.

    Args:
        settings: what a good one must say.
        keys: that may have signed it; None: no JSON Web Tokens are taken.
        issued: our own ones; None: there are none.
    """

    def __init__(
        self, settings: TokenSettings, keys: Keys | None, issued: Issued | None = None
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._issued = issued

    async def verified(self, token: str) -> Principal:
        """Who holds it.

        Raises:
            Unauthenticated: it is not good; the text says why, and nothing of what it holds.
            BackendUnavailable: nobody can say, as its keys cannot be fetched.
        """
        token = token.rstrip("\0 ")  # some peers pad to even length
        if len(token) > self._settings.max_size:
            raise Unauthenticated("the token is too long")
        if token.startswith(PREFIX):
            holder = None if self._issued is None else await self._issued.holder(token)
            if holder is None:
                raise Unauthenticated("the token is unknown, has expired or was revoked")
            return holder
        if self._keys is None:
            raise Unauthenticated("no such tokens are taken here")
        if _WRITTEN.fullmatch(token) is None:  # the decoder of base64 is more lenient
            raise Unauthenticated("this is no JSON Web Token")
        claims = await self._claims(token, self._keys)
        name = claims.get(self._settings.name_claim) or claims.get("sub") or ""
        return Principal(
            name="".join(filter(str.isprintable, str(name)[:_LONGEST_NAME])),
            proof=Proof.TOKEN,
            claims=MappingProxyType(claims),
            grants=tuple(self._granted(claims)),
            token=token,
            expires=int(claims["exp"]) + self._settings.leeway,
        )

    async def _claims(self, token: str, keys: Keys) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, *_MALFORMED):
            raise Unauthenticated("this is no JSON Web Token") from None
        kid = header.get("kid")
        if header.get("alg") not in self._settings.algorithms:
            raise Unauthenticated("the token is signed in a way that is not believed here")
        why = "nobody who is trusted here has signed the token"
        named = await keys.named(kid if isinstance(kid, str) else None, header["alg"])
        for key in named:
            try:
                return self._decoded(token, key, self._settings.issuer or keys.issuer)
            except jwt.InvalidSignatureError:
                continue
            except (jwt.PyJWTError, *_MALFORMED) as error:
                why = _WHY.get(type(error), "the token is not good")
        raise Unauthenticated(why)

    def _decoded(
        self,
        token: str,
        key: Any,  # noqa: ANN401 - what PyJWT takes
        issuer: str | None,
    ) -> dict[str, Any]:
        settings = self._settings
        return jwt.decode(
            token,
            key,
            algorithms=list(settings.algorithms),
            audience=list(settings.audience),
            issuer=issuer,
            leeway=settings.leeway,
            options={"require": ["exp"], "enforce_minimum_key_length": True},
        )

    def _granted(self, claims: Mapping[str, Any]) -> Iterable[Grant]:
        """What its scopes allow: `hilum:query`, `hilum:store:MOUNT`."""
        for name in self._settings.scope_claims:
            found = claims.get(name)
            words = found.split() if isinstance(found, str) else found
            for word in words if isinstance(words, list) else ():
                prefix = self._settings.scope_prefix
                if not isinstance(word, str) or not word.startswith(prefix):
                    continue
                right, _, mount = word.removeprefix(prefix).partition(":")
                if right in _RIGHTS:
                    yield Grant(frozenset((Right(right),)), frozenset((mount or "*",)))


_WHY: Final[Mapping[type[Exception], str]] = {
    jwt.ExpiredSignatureError: "the token has expired",
    jwt.ImmatureSignatureError: "the token is not good yet",
    jwt.InvalidAudienceError: "the token is for another audience",
    jwt.InvalidIssuerError: "the token is of another issuer",
    jwt.MissingRequiredClaimError: "the token does not say what it must: exp, aud, iss",
}
