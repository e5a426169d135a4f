"""How does a worker ask the others something? By a letter with a line for the answer in it."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from hilum.net.letters import Letters

PATIENCE: Final = 3.0  # seconds for an answer; who is just being started again has none
MOST: Final = 16 * 1024 * 1024  # bytes of one answer
_PIECE: Final = 64 * 1024  # bytes

log = logging.getLogger(__name__)

Answers = Callable[[bytes], Awaitable[bytes]]
"""Gives the answer to a question."""


class Others:
    """All workers but this one.

    Args:
        letters: to them, and from them.
        number: of this worker.
        workers: how many there are.
        group: where their questions are answered.
    """

    def __init__(
        self, letters: Letters, number: int, workers: int, group: asyncio.TaskGroup
    ) -> None:
        self._letters = letters
        self._numbers = [each for each in range(workers) if each != number]
        self._group = group

    def answer(self, about: str, answers: Answers) -> None:
        """Answer what others ask about something; to be called before any door opens."""

        def take(line: socket.socket, question: bytes) -> None:
            self._group.create_task(_answered(line, answers, question))

        self._letters.hear(about, take)

    async def ask(self, about: str, question: bytes = b"") -> Mapping[int, bytes]:
        """What each says; who says nothing in time is left out."""
        async with asyncio.TaskGroup() as group:
            asked = {
                each: group.create_task(self._asked(each, about, question))
                for each in self._numbers
            }
        said = {number: task.result() for number, task in asked.items()}
        return {number: answer for number, answer in said.items() if answer is not None}

    async def _asked(self, worker: int, about: str, question: bytes) -> bytes | None:
        ours, theirs = socket.socketpair()
        try:
            async with asyncio.timeout(PATIENCE):
                ours.settimeout(0)
                with theirs:
                    await self._letters.send(worker, about, theirs, question)
                return await _read(ours)
        except (OSError, TimeoutError):
            log.warning("worker %d says nothing about its %s", worker, about)
            return None
        finally:
            ours.close()


async def _read(line: socket.socket) -> bytes:
    """All until its end.

    Raises:
        OSError: it is broken off, or too long.
    """
    loop = asyncio.get_running_loop()
    said = bytearray()
    while piece := await loop.sock_recv(line, _PIECE):
        said += piece
        if len(said) > MOST:
            raise OSError("too long")
    if not said:
        raise OSError("nothing")
    return bytes(said)


async def _answered(line: socket.socket, answers: Answers, question: bytes) -> None:
    with line:
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await answers(question)
                await asyncio.get_running_loop().sock_sendall(line, answer)
        except (OSError, TimeoutError):
            log.debug("who asked waits no more")
        except Exception:
            log.exception("another worker cannot be answered")


@asynccontextmanager
async def open_others(letters: Letters, number: int, workers: int) -> AsyncIterator[Others]:
    """The other workers, until the block is left; then nobody is answered any more."""
    async with asyncio.TaskGroup() as group:
        others = Others(letters, number, workers, group)
        try:
            yield others
        finally:
            letters.close()
