import time

import pytest

from hilum.model.errors import Unauthenticated
from hilum.model.principal import Principal, Proof
from hilum.net.remembered import MOST, Remembered

pytestmark = pytest.mark.anyio


class Tokens:
    """Says whose each is, and what it was asked."""

    def __init__(self, **principals: Principal) -> None:
        self.asked: list[str] = []
        self.principals = principals

    async def verified(self, token: str) -> Principal:
        self.asked.append(token)
        if token in self.principals:
            return self.principals[token]
        raise Unauthenticated("the token is not good")


async def test_a_good_token_is_verified_once_and_only_that_very_text() -> None:
    tokens = Tokens(a=Principal("ann", Proof.TOKEN))
    known = Remembered(tokens)
    assert (await known.verified("a")).name == "ann"
    assert (await known.verified("a")).name == "ann"
    for almost in ("a ", "A", "aa"):
        with pytest.raises(Unauthenticated):
            await known.verified(almost)
    assert tokens.asked == ["a", "a ", "A", "aa"]


async def test_what_is_not_good_and_what_is_our_own_is_asked_each_time() -> None:
    tokens = Tokens(own=Principal("ann", Proof.ISSUED))
    known = Remembered(tokens)
    for _ in range(2):
        await known.verified("own")
        with pytest.raises(Unauthenticated):
            await known.verified("bad")
    assert tokens.asked == ["own", "bad"] * 2


async def test_what_has_expired_or_is_long_ago_is_asked_again() -> None:
    soon = Principal("ann", Proof.TOKEN, expires=time.time() + 0.05)
    tokens = Tokens(soon=soon, good=Principal("bob", Proof.TOKEN))
    known = Remembered(tokens)
    await known.verified("soon")
    time.sleep(0.06)  # noqa: ASYNC251 - nothing else runs
    del tokens.principals["soon"]
    with pytest.raises(Unauthenticated):
        await known.verified("soon")
    known._known.seconds = 0.01
    await known.verified("good")
    time.sleep(0.02)  # noqa: ASYNC251 - nothing else runs
    await known.verified("good")
    assert tokens.asked == ["soon", "soon", "good", "good"]


async def test_only_so_many_are_remembered() -> None:
    names = [f"t{number}" for number in range(MOST + 10)]
    tokens = Tokens(**{name: Principal(name, Proof.TOKEN) for name in names})
    known = Remembered(tokens)
    for name in names:
        await known.verified(name)
    assert len(known._known) == MOST
    await known.verified(names[-1])
    await known.verified(names[0])
    assert tokens.asked == [*names, names[0]]
