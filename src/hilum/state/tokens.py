"""How the tokens that we have issued are kept, and known again. Of each there is only a hash.

A plain SHA-256 is right for them, though not for passwords: nobody guesses 256 random bits.
"""

import hmac
import re
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from hashlib import sha256
from typing import Final

import orjson
import sqlalchemy as sa

from hilum.core.believed import Believed
from hilum.model.errors import InUse, NotFound
from hilum.model.issued import PREFIX, IssuedToken
from hilum.model.principal import Grant, Principal, Proof, Right
from hilum.state.schema import TOKEN
from hilum.state.thread import done

REMEMBERED: Final = 5.0
"""Seconds for which a token is believed without looking: as late as that it is really revoked, in
every process."""
_MOST_REMEMBERED = 1000
_USED_EVERY = 300.0  # seconds between two records of the last use
_ID = 8  # random bytes that name a token
_SECRET = 32  # random bytes that prove it
_WRITTEN: Final = re.compile(rf"{PREFIX}([0-9a-f]{{{2 * _ID}}})_[A-Za-z0-9_-]{{43}}")


class Tokens:
    """Implements `net.tokens.Issued`, and what the command line does with tokens.

    Args:
        engine: of the state's database, which writes.
        reading: one that does not, and waits for nobody.
        thread: the one thread in which all of it is done.
    """

    def __init__(self, engine: sa.Engine, reading: sa.Engine, thread: Executor) -> None:
        self._engine = engine
        self._reading = reading
        self._thread = thread
        self._believed: Believed[bytes, IssuedToken] = Believed(REMEMBERED, _MOST_REMEMBERED)

    async def holder(self, token: str, /) -> Principal | None:
        """See `net.tokens.Issued`.

        Raises:
            BackendFault: the database fails.
        """
        written = _WRITTEN.fullmatch(token)
        if written is None:
            return None
        digest = _digest(token)
        found = self._believed.get(digest)
        if found is None:
            since = time.monotonic()
            found = await done(self._thread, lambda: self._known(written[1], digest))
            if found is None:
                return None
            self._believed.put(digest, found, since)
        if not found.is_good(time.time()):
            return None
        # Not to be passed on: no other system knows it, and none should learn it.
        return Principal(found.name, Proof.ISSUED, grants=(found.grant,), expires=found.expires)

    async def create(
        self, name: str, grant: Grant, life: float | None = None
    ) -> tuple[IssuedToken, str]:
        """A new one, and its text, which nobody can be told again.

        Args:
            name: of who gets it.
            grant: what it allows.
            life: seconds that it holds; None: until it is revoked.

        Raises:
            BackendFault: the database fails.
        """
        now = time.time()
        made = IssuedToken(
            id=secrets.token_hex(_ID),
            name=name,
            grant=grant,
            created=now,
            expires=None if life is None else now + life,
        )
        text = f"{PREFIX}{made.id}_{secrets.token_urlsafe(_SECRET)}"
        await done(self._thread, lambda: self._add(made, _digest(text)))
        return made, text

    async def every(self) -> Sequence[IssuedToken]:
        """All there ever were, the oldest first.

        Raises:
            BackendFault: the database fails.
        """
        return await done(self._thread, self._all)

    async def revoke(self, which: str) -> IssuedToken:
        """Let it open nothing any more.

        Args:
            which: its id; or its name, where no other good one has that.

        Raises:
            NotFound: there is none that is not revoked already.
            InUse: several have that name.
            BackendFault: the database fails.
        """
        revoked = await done(self._thread, lambda: self._revoke(which))
        self._believed.clear()
        return revoked

    def _known(self, name: str, digest: bytes) -> IssuedToken | None:
        with self._reading.begin() as session:
            row = session.execute(sa.select(TOKEN).where(TOKEN.c.id == name)).mappings().first()
        if row is None or not hmac.compare_digest(row["sha256"], digest):
            return None
        found = _token(row)
        now = time.time()
        if found.is_good(now) and now - (found.last_used or 0.0) > _USED_EVERY:
            with self._engine.begin() as session:
                session.execute(TOKEN.update().where(TOKEN.c.id == name).values(last_used=now))
        return found

    def _add(self, made: IssuedToken, digest: bytes) -> None:
        row = {
            "id": made.id,
            "name": made.name,
            "sha256": digest,
            "rights": orjson.dumps(sorted(made.grant.rights)).decode(),
            "mounts": orjson.dumps(sorted(made.grant.mounts)).decode(),
            "created": made.created,
            "expires": made.expires,
        }
        with self._engine.begin() as session:
            session.execute(TOKEN.insert().values(row))

    def _all(self) -> list[IssuedToken]:
        query = sa.select(TOKEN).order_by(TOKEN.c.created, TOKEN.c.id)
        with self._reading.begin() as session:
            return [_token(row) for row in session.execute(query).mappings()]

    def _revoke(self, which: str) -> IssuedToken:
        meant = sa.or_(TOKEN.c.id == which, TOKEN.c.name == which)
        now = time.time()
        with self._engine.begin() as session:
            query = sa.select(TOKEN).where(meant, TOKEN.c.revoked.is_(None))
            found = [_token(row) for row in session.execute(query).mappings()]
            exact = [each for each in found if each.id == which]
            found = exact or [each for each in found if each.is_good(now)] or found
            if not found:
                raise NotFound("there is no such token, or it is revoked already")
            if len(found) > 1:
                ids = ", ".join(each.id for each in found)
                raise InUse(f"{len(found)} tokens have that name; say which by its id: {ids}")
            session.execute(TOKEN.update().where(TOKEN.c.id == found[0].id).values(revoked=now))
        return replace(found[0], revoked=now)


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


def _token(row: sa.RowMapping) -> IssuedToken:
    rights = frozenset(Right(each) for each in orjson.loads(row["rights"]))
    return IssuedToken(
        id=row["id"],
        name=row["name"],
        grant=Grant(rights, frozenset(orjson.loads(row["mounts"]))),
        created=row["created"],
        expires=row["expires"],
        last_used=row["last_used"],
        revoked=row["revoked"],
    )
