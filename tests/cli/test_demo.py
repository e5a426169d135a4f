import json
import subprocess
from pathlib import Path

import pytest
from tests.cli.process import configured, ran, running

from hilum.cli.walk.rows import ROWS


def demo(config: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return ran("demo", "--config", config, *arguments)


def test_every_operation_works_twice_over(tmp_path: Path) -> None:
    with running(configured(tmp_path)) as broker:
        for _ in range(2):
            done = demo(broker.config, "--json")
            outcomes = json.loads(done.stdout)
            assert [each for each in outcomes if not each["ok"]] == []
            assert [each["operation"] for each in outcomes] == [row.operation for row in ROWS]
            assert done.returncode == 0


@pytest.mark.parametrize("mode", ["dimse", "http"])
def test_rows_of_a_closed_door_are_left_out(mode: str, tmp_path: Path) -> None:
    with running(configured(tmp_path, frontend__mode=mode)) as broker:
        done = demo(broker.config, "--json")
    outcomes = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert {each["ok"] for each in outcomes} <= {True, None}
    assert None in {each["ok"] for each in outcomes} or mode == "http"


def test_without_a_broker_rows_fail_and_so_does_the_demo(tmp_path: Path) -> None:
    done = demo(configured(tmp_path))
    assert done.returncode == 1
    assert "FAILED" in done.stdout
    assert "GET /health" in done.stdout
