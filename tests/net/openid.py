"""Real providers of tokens for tests: npm's oidc-provider as a process, and servers that lie."""

import http.server
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from tests import npm, peers

FOLDER = Path(__file__).with_name("provider")
SECRET = "a secret of: the/gate & more%"  # noqa: S105 - of the provider beside this


@dataclass(frozen=True)
class Signer:
    """Who signs tokens: a private key and its name."""

    kid: str | None
    algorithm: str
    key: Any

    @classmethod
    def made(cls, kid: str = "one", algorithm: str = "RS256") -> "Signer":
        curves = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
        if algorithm in curves:
            return cls(kid, algorithm, ec.generate_private_key(curves[algorithm]()))
        if algorithm == "EdDSA":
            return cls(kid, algorithm, ed25519.Ed25519PrivateKey.generate())
        return cls(kid, algorithm, rsa.generate_private_key(65537, 2048))

    def jwk(self, *, private: bool = False, **more: object) -> dict[str, Any]:
        """The key as RFC 7517 has it."""
        key = self.key if private else self.key.public_key()
        made = json.loads(jwt.get_algorithm_by_name(self.algorithm).to_jwk(key))
        made.pop("key_ops", None)
        said = {**made, "kid": self.kid, "use": "sig", "alg": self.algorithm, **more}
        return {name: value for name, value in said.items() if value is not None}

    def token(self, **claims: object) -> str:
        """A good one; a claim that is None is left out."""
        now = int(time.time())
        said = {"sub": "anna", "iss": "https://issuer", "aud": "urn:hilum", "exp": now + 300}
        kept = {name: value for name, value in {**said, **claims}.items() if value is not None}
        return jwt.encode(
            kept, self.key, self.algorithm, headers={"kid": self.kid} if self.kid else None
        )


@dataclass
class Server:
    """A web server of the test's own: path -> what it answers; counts who asks."""

    url: str = ""
    answers: dict[str, Callable[[http.server.BaseHTTPRequestHandler], None]] = field(
        default_factory=dict
    )
    asked: list[str] = field(default_factory=list)

    def gives(self, path: str, body: object, status: int = 200, **headers: str) -> None:
        """Answer that path with JSON, or with these bytes."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()

        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)

        self.answers[path] = answer


@contextmanager
def serving() -> Iterator[Server]:
    """A web server, in threads, until the block ends."""
    found = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            if self.path not in found.answers:
                self.send_error(404)
                return
            try:
                found.answers[self.path](self)
            except OSError:  # who asks has left
                self.close_connection = True

        do_POST = do_GET  # noqa: N815 - as above

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Provider:
    """A running oidc-provider."""

    issuer: str
    peer: peers.Peer

    @property
    def token_url(self) -> str:
        return f"{self.issuer}/token"


@contextmanager
def provider(
    folder: Path, *signers: Signer, port: int | None = None, life: int = 300, back: str = ""
) -> Iterator[Provider]:
    """An OpenID provider that signs with the first of these keys.

    Args:
        folder: for what it writes.
        signers: its keys.
        port: where it listens.
        life: seconds that its tokens hold.
        back: where browsers come back to.
    """
    port = port or peers.free_port()
    keys = [each.jwk(private=True) for each in signers or [Signer.made()]]
    environment: Mapping[str, str] = {
        "PORT": str(port),
        "KEYS": json.dumps(keys),
        "LIFE": str(life),
        "BACK": back,
        "NODE_NO_WARNINGS": "1",
    }
    command = [npm.node(FOLDER), FOLDER / "provider.mjs"]
    path = folder / f"provider{os.getpid()}"
    with peers.running(
        command,
        aet="provider",
        port=port,
        folder=path,
        env=environment,
        ready=lambda peer: "ready: " in peer.said,
    ) as peer:
        yield Provider(f"http://127.0.0.1:{port}", peer)
