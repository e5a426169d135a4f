"""Who we say we are to a system elsewhere: by OAuth 2.0 to a web server, by name to a PACS."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from hilum.config.kinds import Certificates, Secret, Section, Url, listed


class OAuth(Section):
    """Client credentials (RFC 6749 §4.4): a token is fetched, and renewed before it expires."""

    token_url: Url | None = None
    """Where tokens are given out."""
    discovery: Url | None = None
    """The URL of an OpenID provider, whose `/.well-known/openid-configuration` names that."""
    client_id: Annotated[str, Field(min_length=1)]
    """Who we are to it."""
    client_secret: Secret
    """What proves that."""
    client_auth: Literal["basic", "post"] = "basic"
    """Where these two stand in the request: as HTTP Basic authentication, or in its form."""
    scope: Annotated[tuple[str, ...], BeforeValidator(listed)] = ()
    """What the token shall allow."""
    audience: str | None = None
    """For whom the token shall be, for a provider that wants `audience`."""
    resource: str | None = None
    """For what the token shall be, for a provider that wants `resource` (RFC 8707)."""
    parameters: dict[str, str] = Field(default={})
    """More parameters of the request."""
    ca_file: Certificates | None = None
    """A file with the certificates (PEM) of the authorities that are believed for that server; by
    default those of the system. Where it is set nobody else is."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        problems = [*self._clashes()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _clashes(self) -> Iterator[str]:
        if self.token_url is None and self.discovery is None:
            yield "token_url: is missing, or discovery"
        if self.token_url is not None and self.discovery is not None:
            yield "discovery: does not go with token_url"
        for name in {"grant_type", "client_id", "client_secret"} & self.parameters.keys():
            yield f"parameters.{name}: is said by the request itself"


class UserIdentity(Section):
    """User Identity Negotiation (PS3.7 §D.3.3.7): of type 1, 2 or 5, by what is set."""

    username: str | None = None
    """Our name there (type 1)."""
    password: Secret | None = None
    """Our passcode there (type 2)."""
    token: Secret | None = None
    """A JSON Web Token (type 5)."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.username is None) == (self.token is None):
            raise ValueError("username: is missing, or token; and not both")
        if self.password is not None and self.username is None:
            raise ValueError("password: does not go with token")
        return self
