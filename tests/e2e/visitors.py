"""Who comes to the doors of a broker with logins: with good tokens and bad ones, in two ways."""

import io
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydicom import Dataset
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_ECHO, C_FIND, C_GET, C_MOVE, C_STORE
from pynetdicom.pdu_primitives import UserIdentityNegotiation
from pynetdicom.sop_class import (
    CTImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)
from tests import peers
from tests.contract.made import dataset, encoded, uid

from hilum.codec.part10 import encode_meta

ISSUER, AUDIENCE = "https://login.example.org", "hilum"
RIGHTS = ("echo", "query", "retrieve", "store", "send", "delete", "subscribe", "admin")
NOT_AUTHORIZED = 0x0124
LITTLE = "1.2.840.10008.1.2.1"


class Issuer:
    """Signs tokens."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def public(self, folder: Path) -> Path:
        path = folder / "issuer.pem"
        path.write_bytes(
            self._key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        return path

    def token(self, *scopes: str, **claims: Any) -> str:
        now = int(time.time())
        said = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "ann",
            "exp": now + 600,
            "iat": now,
            "scope": " ".join(f"hilum:{each}" for each in scopes),
            **claims,
        }
        return jwt.encode(said, self._key, algorithm="ES256")


@dataclass(frozen=True, slots=True)
class Place:
    """A broker with logins.

    Attributes:
        tls: certificate of its doors; None: they speak none.
        port: where it speaks DIMSE.
    """

    hilum: peers.Hilum
    issuer: Issuer
    tls: Path | None
    port: int

    @property
    def admin(self) -> str:
        """The root of the door of administrators."""
        found = re.search(r"^  Admin +(http\S+)$", self.hilum.said, re.MULTILINE)
        assert found is not None
        return found[1]

    def bad(self) -> Mapping[str, str | None]:
        """What is not let in, and why."""
        everything = RIGHTS
        return {
            "anonymous": None,
            "no token": "x",
            "wrong token": Issuer().token(*everything),
            "expired": self.issuer.token(*everything, exp=int(time.time()) - 3600),
            "wrong audience": self.issuer.token(*everything, aud="another"),
            "wrong issuer": self.issuer.token(*everything, iss="https://another.example.org"),
            "without an end": jwt.encode({"aud": AUDIENCE}, "x" * 32, algorithm="HS256"),
        }

    @contextmanager
    def client(
        self, token: str | None = None, root: str | None = None, **more: Any
    ) -> Iterator[httpx.Client]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        verify = True if self.tls is None else ssl.create_default_context(cafile=str(self.tls))
        with httpx.Client(
            base_url=root or self.hilum.root, headers=headers, verify=verify, timeout=60, **more
        ) as client:
            yield client

    @contextmanager
    def called(
        self, identity: UserIdentityNegotiation | None = None, **more: Any
    ) -> Iterator[Association]:
        with called(self.port, identity, tls=self.tls, **more) as association:
            yield association


@dataclass(frozen=True, slots=True)
class Own:
    """A certificate of who calls, and its key."""

    certificate: Path
    key: Path


def web_token(token: str | bytes | None, *, answer: bool = False) -> UserIdentityNegotiation | None:
    return None if token is None else identity(5, token, answer=answer)


def identity(
    kind: int, first: str | bytes, second: str | bytes | None = None, *, answer: bool = False
) -> UserIdentityNegotiation:
    item = UserIdentityNegotiation()
    item.user_identity_type = kind
    item.positive_response_requested = answer
    item.primary_field = first if isinstance(first, bytes) else first.encode()
    if second is not None:
        item.secondary_field = second if isinstance(second, bytes) else second.encode()
    return item


@contextmanager
def called(  # noqa: PLR0913 - a call has that many sides
    port: int,
    identity: UserIdentityNegotiation | None = None,
    *,
    tls: Path | None = None,
    own: Own | None = None,
    calling: str = "TOOL",
    title: str = "HILUM",
) -> Iterator[Association]:
    """An association, established or not, with all that is asked for here."""
    ae = ApplicationEntity(calling)
    for each in (
        Verification,
        StudyRootQueryRetrieveInformationModelFind,
        StudyRootQueryRetrieveInformationModelGet,
        StudyRootQueryRetrieveInformationModelMove,
        CTImageStorage,
    ):
        ae.add_requested_context(each, [LITTLE])
    arguments: dict[str, Any] = {}
    if tls is not None:
        context = ssl.create_default_context(cafile=str(tls))
        context.check_hostname = False
        if own is not None:
            context.load_cert_chain(own.certificate, own.key)
        arguments["tls_args"] = (context, None)
    for _ in range(4):
        association = ae.associate(
            peers.HOST, port, ae_title=title, ext_neg=[identity] if identity else [], **arguments
        )
        if association.is_established or refusal(association) is not None:
            break  # else pynetdicom has lost the rejection, which it does one time in fifty
    try:
        yield association
    finally:
        if association.is_established:
            association.release()
        ae.shutdown()


def refusal(association: Association) -> tuple[int, int, int] | None:
    """Result, source and reason, of one that was rejected."""
    until = time.monotonic() + 30  # pynetdicom's threads may still be at it
    while not association.is_rejected:
        if association.is_established or association.is_aborted or time.monotonic() > until:
            return None
        time.sleep(0.01)
    said = association.acceptor.primitive
    assert said is not None
    return said.result, said.result_source, said.diagnostic


def study() -> Dataset:
    asked = Dataset()
    asked.QueryRetrieveLevel = "STUDY"
    asked.StudyInstanceUID = uid(1)
    return asked


@dataclass(slots=True)
class Service:
    """A service of DIMSE, and what is the same over HTTP.

    Attributes:
        needs: the scope.
    """

    name: str
    needs: str
    method: str
    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""

    def dimse(self, association: Association) -> int:
        """The final status."""
        request = {
            "C-ECHO": C_ECHO,
            "C-FIND": C_FIND,
            "C-GET": C_GET,
            "C-MOVE": C_MOVE,
            "C-STORE": C_STORE,
        }[self.name]()
        request.MessageID = 1
        kind = {
            "C-ECHO": Verification,
            "C-FIND": StudyRootQueryRetrieveInformationModelFind,
            "C-GET": StudyRootQueryRetrieveInformationModelGet,
            "C-MOVE": StudyRootQueryRetrieveInformationModelMove,
            "C-STORE": CTImageStorage,
        }[self.name]
        request.AffectedSOPClassUID = kind
        if self.name != "C-ECHO":
            request.Priority = 0
        if self.name == "C-STORE":
            request.AffectedSOPInstanceUID = uid(1, 1, 1)
            request.DataSet = io.BytesIO(encoded(dataset(), LITTLE))
        elif self.name != "C-ECHO":
            request.Identifier = io.BytesIO(encoded(study(), LITTLE))
        if self.name == "C-MOVE":
            request.MoveDestination = self.parameters["destination"]
        context = next(c for c in association.accepted_contexts if c.abstract_syntax == kind)
        while association._is_paused:  # from the request before
            time.sleep(0.001)
        association._reactor_checkpoint.clear()  # it would take the responses away
        try:
            while not association._is_paused:
                time.sleep(0.001)
            association.dimse.send_msg(request, context.context_id)
            while True:
                _, response = association.dimse.get_msg(block=True)
                assert response is not None, "no response"
                if response.Status & 0xFF00 != 0xFF00:
                    return int(response.Status)
        finally:
            association._reactor_checkpoint.set()

    def http(self, client: httpx.Client) -> httpx.Response:
        headers = {"Content-Type": "application/dicom"} if self.content else {}
        return client.request(
            self.method, self.path, params=self.parameters, content=self.content, headers=headers
        )


def file(number: int = 1) -> bytes:
    head = encode_meta(CTImageStorage, uid(number, 1, 1), LITTLE)
    return head + encoded(dataset(number), LITTLE)
