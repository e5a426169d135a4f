import json

import pytest
from tests import peers

from hilum.cli.walk import crossing, far
from hilum.cli.walk.crossing import BECOMES, CLOUD, PACS, ROWS, becomes


def test_the_table_of_the_crossing_is_walked_in_both_directions() -> None:
    done = peers.command("demo", "--crossing", "--json", timeout=240)
    outcomes = json.loads(done.stdout)
    assert [each for each in outcomes if not each["ok"]] == []
    assert done.returncode == 0, done.stdout
    walked = [(each["mount"], each["operation"]) for each in outcomes]
    assert walked == [(mount, row.operation) for mount, rows in ROWS.items() for row in rows]
    assert all(each["becomes"] for each in outcomes)


def test_a_second_hilum_stands_in_where_orthanc_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(far, "_PLUGINS", ())
    with crossing.crossing() as found:
        assert found.behind == "a second Hilum"
        assert {PACS, CLOUD} < set(found.settings.mounts)


@pytest.mark.parametrize("mount", [PACS, CLOUD])
def test_every_operation_becomes_one(mount: str) -> None:
    operations = [row.operation for row in ROWS[mount]]
    assert all(becomes(mount, each) for each in operations)
    used = {becomes(mount, each) for each in operations}
    assert used == set(BECOMES[mount].values())


def test_the_longest_name_decides() -> None:
    assert becomes(PACS, "C-MOVE passed on") == "C-MOVE"
    assert becomes(PACS, "C-MOVE STUDY") == "C-GET + C-STORE"
