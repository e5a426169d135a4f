"""A process that stores a study and deletes it, until it is killed; it says what was acknowledged.

    python -m tests.backends.archive.deleting FOLDER STUDY COUNT

"STORED" once all is kept, "DELETING" when the deletion begins, "DELETED" once it was answered.
"""

import asyncio
import os
import sys
from pathlib import Path

from tests.backends.archive import opened
from tests.contract import made
from tests.contract.made import uid

from hilum.model.identity import Ref


async def main(folder: Path, study: int, count: int) -> None:
    instances = [made.made(study, 1 + number % 3, number) for number in range(1, count + 1)]
    async with opened.archive(folder, durability="relaxed") as archive:
        await opened.keep(archive, *instances)
        os.write(1, b"STORED\n")
        sys.stdin.readline()
        os.write(1, b"DELETING\n")
        await archive.delete(Ref(study=uid(study)))
        os.write(1, b"DELETED\n")
        sys.stdin.readline()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
