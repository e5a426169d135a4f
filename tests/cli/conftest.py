from collections.abc import Iterator

import pytest
from tests.cli.scu.peer import Pacs, pacs


@pytest.fixture(scope="session")
def a_pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pacs]:
    with pacs(tmp_path_factory.mktemp("pacs") / "here") as found:
        yield found
