from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from tests.frontends.dimse.served import Server, serving

from hilum.backends.archive import open_archive
from hilum.backends.archive.archive import Archive
from hilum.config.mounts import ArchiveMount


@pytest.fixture(params=["memory", "archive"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server with each of the backends that keep instances."""

    def archive() -> AbstractAsyncContextManager[Archive]:
        return open_archive(ArchiveMount(durability="relaxed"), tmp_path / "archive", "HILUM")

    with serving(archive if request.param == "archive" else None) as running:
        yield running
