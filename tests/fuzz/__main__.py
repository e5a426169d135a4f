"""Fuzzing that is led by coverage, with atheris: `python -m tests.fuzz TARGET [--seconds N]`.

atheris is no requirement of the tests (it is not to be had everywhere): `pip install atheris`. Each
target runs in a process of its own, until the time is up or a finding ends it, which is then
written to a file `crash-…` or `timeout-…` in the folder that `--corpus` names; there also lies what
reached new code, for the next time. A finding is tried again by `python -m tests.fuzz TARGET FILE`,
and becomes a seed or an `@example` of a test once it is mended.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

LONGEST = 4096  # bytes of an input
SLOW = 5  # seconds that one input may take


def targets() -> dict[str, Callable[[bytes], None]]:
    """All of them; imported late, so that it is seen which of their code runs."""
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415

    return {**TARGETS}


def fuzzed(name: str, seconds: int, folder: Path) -> int:
    """Fuzz one target in this process; it does not come back."""
    import atheris  # noqa: PLC0415 - is not there where it is not wanted

    with atheris.instrument_imports(include=["hilum"]):
        target = targets()[name]
    corpus = folder / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = (f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-timeout={SLOW}")
    atheris.Setup(
        [name, *options, "-rss_limit_mb=2048", f"-artifact_prefix={folder}/{name}-", str(corpus)],
        target,
    )
    atheris.Fuzz()
    return 0


def main() -> int:
    """Run what is asked for; 0 where nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", help="its name in targets.py, or all")
    parser.add_argument("files", nargs="*", type=Path, help="inputs to try again")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, default=Path(tempfile.gettempdir()) / "hilum-fuzz")
    given = parser.parse_args()
    if given.files:
        for each in given.files:
            targets()[given.target](each.read_bytes())
        return 0
    if given.target != "all":
        return fuzzed(given.target, given.seconds, given.corpus)
    codes = {
        name: subprocess.run(
            [
                *(sys.executable, "-m", "tests.fuzz", name),
                *("--seconds", str(given.seconds), "--corpus", str(given.corpus)),
            ],
            check=False,
        ).returncode
        for name in targets()
    }
    found = [name for name, code in codes.items() if code]
    print(f"{len(codes)} targets; findings in: {', '.join(found) or 'none'}")  # noqa: T201 - a command
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
