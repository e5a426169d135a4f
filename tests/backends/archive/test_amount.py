import pytest

from hilum.backends.archive import amount as module
from hilum.backends.archive.amount import Amount

pytestmark = pytest.mark.anyio


class Readers:
    """Counts the sums that it is asked for."""

    def __init__(self) -> None:
        self.sums = 0

    def rows(self, sql: str) -> list[tuple[int, ...]]:
        if "sum(size)" not in sql:
            return [(1, 2)]
        self.sums += 1
        return [(self.sums,)]

    async def run(self, work: object) -> object:
        return work(self)  # type: ignore[operator]  # what asks for rows


@pytest.mark.parametrize(("soon", "fresh", "sums"), [(0.0, 0.0, 3), (60.0, 900.0, 1)])
async def test_sizes_are_summed_again_only_after_a_while(
    monkeypatch: pytest.MonkeyPatch, soon: float, fresh: float, sums: int
) -> None:
    monkeypatch.setattr(module, "SOON", soon)
    monkeypatch.setattr(module, "FRESH", fresh)
    readers = Readers()
    amount = Amount(readers)  # type: ignore[arg-type]  # as far as needed
    found = [await amount.measure() for _ in range(3)]
    assert readers.sums == sums
    assert [each["hilum_archive_bytes"] for each in found][-1] == sums
    assert found[0]["hilum_archive_instances"] == 2
