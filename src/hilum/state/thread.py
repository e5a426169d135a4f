"""How is the state's database asked? In its one thread; what fails there is told in our words."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

import sqlalchemy as sa

from hilum.model.errors import BackendFault

T = TypeVar("T")


async def done(thread: Executor, work: Callable[[], T]) -> T:
    """What `work` gives, which is run in the thread.

    Raises:
        BackendFault: the database fails.
    """
    try:
        return await asyncio.get_running_loop().run_in_executor(thread, work)
    except (sqlite3.Error, sa.exc.SQLAlchemyError) as error:
        raise BackendFault("the state's database fails") from error
