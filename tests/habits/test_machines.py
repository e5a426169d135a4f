"""The project names no machine: it must run on anybody's."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOREIGN = re.compile(r"(?<![\w./~<-])/(work|farm|home/\w|Users/\w|root/)[\w/.-]*")


def files() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("not a checkout")
    return [ROOT / name for name in done.stdout.splitlines()]


def test_no_file_names_a_path_of_one_machine() -> None:
    found: list[str] = []
    for path in files():
        if path == Path(__file__) or not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {each[0]}" for each in FOREIGN.finditer(text)]
    assert not found
