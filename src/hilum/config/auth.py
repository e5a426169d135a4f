"""What can be set of logins and rights: how tokens are verified, and who may do what."""

import ipaddress
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from hilum.config.kinds import (
    AeTitle,
    AeTitles,
    Certificates,
    File,
    Grace,
    Seconds,
    Secret,
    Section,
    Size,
    Url,
    listed,
)

Texts = Annotated[tuple[str, ...], BeforeValidator(listed)]
Rights = Annotated[
    tuple[
        Literal[
            "echo", "query", "retrieve", "store", "send", "delete", "subscribe", "admin", "metrics"
        ],
        ...,
    ],
    BeforeValidator(listed),
]
Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
    "HS256", "HS384", "HS512",
]  # fmt: skip


def are_networks(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Check that each is a network.

    Raises:
        ValueError: one is not.
    """
    for each in texts:
        try:
            ipaddress.ip_network(each)
        except ValueError:
            raise ValueError(f'{each} is no network; write it like "10.1.0.0/16"') from None
    return texts


class TokenSettings(Section):
    """How a JSON Web Token is verified (RFC 7519); the same at every door."""

    issuer: str | None = None
    """Who must have issued it (`iss`); by default, with `discovery`, whom that names."""
    audience: Texts = ()
    """For whom it must be issued (`aud`): one of these."""
    discovery: Url | None = None
    """The URL of an OpenID provider, whose `/.well-known/openid-configuration` names its keys."""
    jwks_url: Url | None = None
    """The URL of a JSON Web Key Set, where there is no discovery."""
    ca_file: Certificates | None = None
    """A file with the certificates (PEM) of the authorities that are believed for that server; by
    default those of the system. Where it is set nobody else is."""
    public_key: File | None = None
    """A file with the public key or certificate (PEM) that verifies it."""
    secret: Secret | None = None
    """The secret it is signed with, of an issuer that uses HMAC; at least 32 bytes."""
    algorithms: Annotated[tuple[Algorithm, ...], BeforeValidator(listed)] = ("RS256", "ES256")
    """Which signatures are believed."""
    leeway: Grace = 60.0
    """How far clocks may differ."""
    max_size: Size = 16 * 1024
    """The longest token."""
    refresh: Seconds = 300.0
    """How long keys from a URL are believed before they are fetched again; the last good ones stay
    when they cannot be."""
    name_claim: str = "sub"
    """The claim that says who it is, in logs and the audit."""
    scope_claims: Texts = ("scope", "scp")
    """Claims whose words allow something by themselves: `hilum:query`, `hilum:store:MOUNT`."""
    scope_prefix: str = "hilum:"
    """What such words begin with."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        problems = [*self._clashes()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def is_set(self) -> bool:
        """Whether tokens can be verified at all."""
        return any((self.discovery, self.jwks_url, self.public_key, self.secret))

    def _clashes(self) -> Iterator[str]:
        """What is good alone but not together: "key: what is wrong"."""
        ways = {
            name: getattr(self, name)
            for name in ("discovery", "jwks_url", "public_key", "secret")
            if getattr(self, name) is not None
        }
        if len(ways) > 1:
            first, second = [*ways][:2]
            yield f"{second}: does not go with {first}"
        hmac = [each for each in self.algorithms if each.startswith("HS")]
        if hmac and self.secret is None and ways:
            yield f"algorithms: {hmac[0]} needs a secret; with public keys it would let forgers in"
        if self.secret is not None and len(hmac) != len(self.algorithms):
            yield 'algorithms: with a secret only HMAC; write ["HS256"]'
        if self.secret is not None and len(self.secret.get_secret_value()) < 32:  # noqa: PLR2004 - RFC 7518 §3.2
            yield "secret: is shorter than 32 bytes"
        if self.jwks_url is not None and self.issuer is None:
            yield "issuer: is missing; providers sign for several issuers with the same keys"
        if self.is_set and not self.audience:
            yield "audience: is missing; without it a token for another service would be good here"


class RuleSettings(Section):
    """Who may do what, of all who have a login. Of a condition that is a list one must fit."""

    may: Rights
    """What is allowed: `echo`, `query`, `retrieve`, `store`, `send`, `delete`, `subscribe`,
    `admin`, `metrics`."""
    mounts: Annotated[tuple[AeTitle, ...], BeforeValidator(listed)] = ("*",)
    """On which mounts; `*` is every one."""
    names: Texts = ()
    """Who it is by the token or the certificate; `*` and `?` stand for anything."""
    claims: dict[str, Texts] = Field(default={})
    """Claims that the token must have, each with one of the values: `{roles = ["radiologist"]}`."""
    ae_titles: AeTitles = ()
    """Calling AE titles."""
    certificates: Texts = ()
    """Subjects of client certificates, such as `CN=ct1,*`."""
    networks: Annotated[Texts, AfterValidator(are_networks)] = ()
    """Networks from which it holds, such as `10.1.0.0/16`."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not (self.names or self.claims or self.ae_titles or self.certificates or self.networks):
            raise ValueError(
                'names: is missing, or another condition; names = ["*"] is everybody with a login'
            )
        return self


class BrowserSettings(Section):
    """How browsers log in at the OpenID provider of `auth.token.discovery` (a code with PKCE).

    It must know `…/login/code` below our URL as a place to send them back to.
    """

    client_id: str
    """Who we are there."""
    client_secret: Secret | None = None
    """The secret of a confidential client, which stands in the form (`client_secret_post`)."""
    scopes: Texts = ("openid",)
    """What is asked for; the access token must be a JSON Web Token, and good here."""
    parameters: dict[str, str] = Field(default={})
    """More of the request, such as `{audience = "https://hilum"}`."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for name in _SAID & self.parameters.keys():
            raise ValueError(f"parameters.{name}: is said by the request itself")
        return self


_SAID = frozenset(
    ("response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge")
)


class AuthSettings(Section):
    """Logins and rights."""

    reloads = True

    enabled: bool = False
    """Whether there are any. Without, whoever reaches a door may do everything there."""
    token: TokenSettings = TokenSettings()
    rules: dict[str, RuleSettings] = Field(default={})
    anonymous: Rights = ()
    """What may be done without any login, such as `echo`."""
    session: Seconds = 12 * 3600.0
    """How long a browser stays logged in, if the token that it logged in with holds so long."""
    browser: BrowserSettings | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.browser is not None and self.token.discovery is None:
            raise ValueError("browser: needs the provider of token.discovery")
        return self
