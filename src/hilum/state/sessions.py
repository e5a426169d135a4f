"""How is a browser known again that has logged in? By a secret of its own, behind which a token is.

The token is sealed by that secret, of which there is only a hash here: who reads the database can
neither ask as somebody else nor learn a token. See
architecture/decisions/0015-a-browser-logs-in-by-a-cookie.md.
"""

import secrets
import time
from concurrent.futures import Executor
from hashlib import sha256
from typing import Final

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hilum.core.believed import Believed
from hilum.state.schema import SESSION
from hilum.state.thread import done

MOST: Final = 10_000
"""Sessions at a time; beyond that the oldest ends."""
REMEMBERED: Final = 5.0
"""Seconds for which a session is believed without looking: as late as that one has ended that
another process has ended."""
_MOST_REMEMBERED: Final = 1000
_SECRET: Final = 32  # random bytes
_LONGEST: Final = 64  # characters of a secret as a browser has it
_NONCE: Final = bytes(12)
"""Each key seals one token only."""


class Sessions:
    """Implements `core.login.KeepsSessions`.

    Args:
        engine: of the state's database, which writes.
        reading: one that does not, and waits for nobody.
        thread: the one thread in which all of it is done.
    """

    def __init__(self, engine: sa.Engine, reading: sa.Engine, thread: Executor) -> None:
        self._engine = engine
        self._reading = reading
        self._thread = thread
        self._believed: Believed[bytes, str] = Believed(REMEMBERED, _MOST_REMEMBERED)

    async def begin(self, token: str, expires: float) -> str:
        """See `core.login.KeepsSessions`.

        Raises:
            BackendFault: the database fails.
        """
        secret = secrets.token_urlsafe(_SECRET)
        sealed = _key(secret).encrypt(_NONCE, token.encode(), None)
        await done(self._thread, lambda: self._add(_digest(secret), sealed, expires))
        return secret

    async def token(self, secret: str) -> str | None:
        """See `core.login.KeepsSessions`.

        Raises:
            BackendFault: the database fails.
        """
        if not secret or len(secret) > _LONGEST:
            return None
        digest = _digest(secret)
        found = self._believed.get(digest)
        if found is not None:
            return found
        since = time.monotonic()
        sealed = await done(self._thread, lambda: self._sealed(digest))
        if sealed is None:
            return None
        try:
            token = _key(secret).decrypt(_NONCE, sealed, None).decode()
        except InvalidTag:
            return None
        self._believed.put(digest, token, since)
        return token

    async def end(self, secret: str) -> None:
        """See `core.login.KeepsSessions`.

        Raises:
            BackendFault: the database fails.
        """
        digest = _digest(secret)
        self._believed.forget(digest)
        await done(self._thread, lambda: self._remove(digest))

    def _add(self, digest: bytes, sealed: bytes, expires: float) -> None:
        now = time.time()
        row = {"sha256": digest, "sealed": sealed, "began": now, "expires": expires}
        newest = sa.select(SESSION.c.sha256).order_by(SESSION.c.began.desc()).limit(MOST)
        with self._engine.begin() as session:
            session.execute(SESSION.delete().where(SESSION.c.expires <= now))
            session.execute(SESSION.insert().values(row))
            count = sa.select(sa.func.count()).select_from(SESSION)
            if session.execute(count).scalar_one() > MOST:
                session.execute(SESSION.delete().where(SESSION.c.sha256.not_in(newest)))

    def _sealed(self, digest: bytes) -> bytes | None:
        good = (SESSION.c.sha256 == digest) & (SESSION.c.expires > time.time())
        with self._reading.begin() as session:
            found = session.execute(sa.select(SESSION.c.sealed).where(good)).scalar()
        return None if found is None else bytes(found)

    def _remove(self, digest: bytes) -> None:
        with self._engine.begin() as session:
            session.execute(SESSION.delete().where(SESSION.c.sha256 == digest))


def _digest(secret: str) -> bytes:
    return sha256(b"hilum session, known: " + secret.encode()).digest()


def _key(secret: str) -> AESGCM:
    """What seals the token: made of the secret, as its hash is, and not to be made of that."""
    return AESGCM(sha256(b"hilum session, sealed: " + secret.encode()).digest())
