"""The order of system calls: sync the name, write, sync, and only then the answer.

`kill -9` does not test the disk, as what was written outlives the process. This does: with this
order, no power cut can take what was acknowledged.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CALLS = "openat,write,writev,pwrite64,fdatasync,fsync,mkdir,unlink,unlinkat"
_LINE = re.compile(r"(\d+) +(\w+)\((.*)")
_RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)")


@dataclass
class Call:
    """One system call: where it began and ended in the record."""

    name: str
    text: str
    begin: int
    end: int


def traced(tmp_path: Path, *arguments: object) -> list[Call]:
    """All calls of a process that stores."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    record = tmp_path / "strace.txt"
    command = [strace, "-f", "-y", "-s", "100", "-e", f"trace={CALLS}", "-o", str(record)]
    ended = subprocess.run(
        [*command, sys.executable, "-m", "tests.backends.archive.storing", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if "PTRACE" in ended.stderr or "ptrace" in ended.stderr:
        pytest.skip(f"strace may not trace here: {ended.stderr.splitlines()[0]}")
    assert ended.returncode == 0, ended.stderr
    return parsed(record.read_text())


def parsed(record: str) -> list[Call]:
    calls: list[Call] = []
    open_calls: dict[str, Call] = {}
    for number, line in enumerate(record.splitlines()):
        if found := _RESUMED.match(line):
            pid, name, rest = found.groups()
            call = open_calls.pop(pid)
            assert call.name == name
            call.text += rest
            call.end = number
        elif found := _LINE.match(line):
            pid, name, rest = found.groups()
            call = Call(name, rest, number, number)
            calls.append(call)
            if rest.endswith("<unfinished ...>"):
                open_calls[pid] = call
    return calls


def acknowledged(calls: list[Call]) -> list[Call]:
    return [each for each in calls if each.name == "write" and '"ACK ' in each.text]


def files(calls: list[Call]) -> dict[str, list[Call]]:
    """The calls on each file of the archive, by its path, in the order of their making."""
    found: dict[str, list[Call]] = {}
    for call in calls:
        if match := re.search(r"[<\"]([^<>\"]*/files/[\d/]+/[0-9a-f]{16}\.dcm)", call.text):
            found.setdefault(match[1], []).append(call)
    return found


@pytest.mark.parametrize("number_of_tasks", [1, 3])
def test_an_answer_comes_after_the_file_and_its_name(tmp_path: Path, number_of_tasks: int) -> None:
    folder = tmp_path / "archive"
    calls = traced(tmp_path, folder, "keep", 1, 12, number_of_tasks, 0)
    answers = acknowledged(calls)
    assert len(answers) == 12
    by_file = {
        path: ours
        for path, ours in files(calls).items()
        if any("write" in each.name for each in ours)
    }
    assert len(by_file) == 12
    safe: list[int] = []
    for path, ours in by_file.items():
        writes = [each for each in ours if "write" in each.name]
        syncs = [each for each in ours if each.name == "fdatasync"]
        assert len(syncs) == 1
        assert max(each.end for each in writes) < syncs[0].begin
        day = re.escape(str(Path(path).parent))
        names = [
            each
            for each in calls
            if each.name == "fsync"
            and re.match(rf"\d+<{day}>", each.text)
            and each.begin > ours[0].end
        ]
        assert ours[0].name == "openat"  # which makes it
        assert names[0].end < writes[0].begin  # of the first files, none of others comes after it
        safe.append(syncs[0].end)
    for number, answer in enumerate(answers, 1):
        done = sorted(safe)[number - 1]
        assert done < answer.begin  # of n answers, n files were safe before


def test_a_new_day_is_durable_before_its_first_file(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    calls = traced(tmp_path, folder, "keep", 1, 1, 1, 0)
    (made,) = [
        each
        for each in calls
        if each.name == "mkdir" and re.search(r"/files/\d+/\d+/\d+\".* = 0", each.text)
    ]
    (ours,) = files(calls).values()
    for depth in ("files/\\d+/\\d+", "files/\\d+", "files"):
        synced = [
            each
            for each in calls
            if each.name == "fsync"
            and re.match(rf"\d+<{re.escape(str(folder))}/{depth}>", each.text)
        ]
        assert made.end < synced[0].begin
        assert synced[0].end < ours[0].begin


def test_a_replaced_file_goes_after_the_row_of_the_new_one_is_on_the_disk(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    traced(tmp_path, folder, "replace", 1, 5, 1, 0)
    calls = traced(tmp_path, folder, "replace", 1, 5, 1, 77)
    answers = acknowledged(calls)
    gone = [each for each in calls if each.name.startswith("unlink") and ".dcm" in each.text]
    gone = [each for each in gone if each.begin < answers[-1].begin]  # then what was made ahead
    assert len(answers) == len(gone) == 5
    log = [each for each in calls if "index.db-wal>" in each.text]
    before = -1
    for unlinked, answer in zip(gone, answers, strict=True):
        ours = [each for each in log if before < each.begin < unlinked.begin]
        writes = [each for each in ours if each.name == "pwrite64"]
        syncs = [each for each in ours if each.name in ("fdatasync", "fsync")]
        assert writes[0].end < syncs[-1].begin
        assert writes[-1].end < syncs[-1].begin
        assert syncs[-1].end < unlinked.begin
        assert unlinked.end < answer.begin
        before = answer.end
