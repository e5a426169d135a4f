"""A process that stores until it is killed, and says what was acknowledged.

    python -m tests.backends.archive.storing FOLDER POLICY STUDY COUNT TASKS SALT

Each instance that `store` answered with success is a line "ACK <number>" on standard output,
written by one system call after the answer.
"""

import asyncio
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from tests.backends.archive import opened
from tests.contract import made
from tests.contract.made import Made

from hilum.backends.archive.work import Policy
from hilum.model.instance import CHUNK


def instance(study: int, number: int, salt: int = 0) -> Made:
    """Number 1 to ...; some are longer than what is gathered in memory. Pixels go by the salt."""
    size = 5 * CHUNK // 2 if number % 25 == 5 else 20_000 + number
    pixels = random.Random(salt + study * 1000 + number).randbytes(size)  # noqa: S311 - test data
    return made.made(study, 1 + number % 3, number, PixelData=pixels)


async def main(folder: Path, policy: Policy, given: list[int]) -> None:
    study, count, tasks, salt = given
    numbers = iter(range(1, count + 1))

    async with opened.archive(folder, policy) as archive:
        os.write(1, b"READY\n")

        async def store(numbers: Iterator[int]) -> None:
            async with archive.open() as session:
                for number in numbers:
                    stored = await session.store(instance(study, number, salt).instance())
                    if stored.failure is not None:
                        raise stored.failure
                    os.write(1, f"ACK {number}\n".encode())

        async with asyncio.TaskGroup() as group:
            for _ in range(tasks):
                group.create_task(store(numbers))


if __name__ == "__main__":
    folder, policy, *given = sys.argv[1:]
    asyncio.run(main(Path(folder), cast("Policy", policy), [int(each) for each in given]))
