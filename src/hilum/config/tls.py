"""What can be set of TLS: our certificates, and how a peer is spoken to (PS3.15 §B.12)."""

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import model_validator

from hilum.config.kinds import Certificates, File, Secret, Section


class Identity(Section):
    """A certificate of ours and its key."""

    certificate: File | None = None
    """A file with our certificate (PEM), those of the authorities between it and the root behind
    it."""
    key: File | None = None
    """A file with its private key (PEM); by default it is in the file of the certificate."""
    key_password: Secret | None = None
    """The password of that key, where it has one."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        problems = [*self._clashes()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _clashes(self) -> Iterator[str]:
        """What is good alone but not together: "key: what is wrong"."""
        if self.certificate is None and self.key is not None:
            yield "certificate: is missing, as there is a key"
        if self.certificate is None and self.key_password is not None:
            yield "certificate: is missing, as there is a key_password"


class TlsSettings(Identity):
    """Who we are at every door that speaks TLS, and to peers that are spoken to by TLS."""

    reloads = True

    client_ca: Certificates | None = None
    """A file with the certificates (PEM) of the authorities whose clients are let in."""
    client_certificates: Literal["none", "optional", "required"] = "none"
    """Whether who calls must show a certificate of such an authority."""

    def _clashes(self) -> Iterator[str]:
        yield from super()._clashes()
        if self.client_certificates != "none" and self.client_ca is None:
            yield "client_ca: is missing: who signs the certificates of clients?"
        if self.client_certificates == "none" and self.client_ca is not None:
            yield 'client_certificates: is "none", so that client_ca has no effect'


class TlsPeer(Identity):
    """How a peer is spoken to by TLS, and which certificate it must show."""

    tls: bool = False
    """Whether it is spoken to by TLS."""
    ca_file: Certificates | None = None
    """A file with the certificates (PEM) of the authorities that are believed for it, or its own;
    by default those of the system. Where it is set nobody else is."""
    check_host: bool = True
    """Whether its certificate must name `host`. Many modalities have one that does not."""

    def _clashes(self) -> Iterator[str]:
        yield from super()._clashes()
        said = {"ca_file": self.ca_file, "certificate": self.certificate}
        for name, value in said.items():
            if value is not None and not self.tls:
                yield f"tls: is false, so that {name} has no effect"
        if not self.check_host and not self.tls:
            yield "tls: is false, so that check_host has no effect"
