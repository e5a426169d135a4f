"""The command line of `scripts/bench`."""

import argparse
import tempfile
from pathlib import Path

from bench.access import Guard
from bench.systems.given import given

HERE = Path(__file__).parent
TEMPORARY = Path(tempfile.gettempdir())
_QUICK = {"rounds": 1, "starts": 2, "seconds": 0.4, "nagle": 10}
_USUAL = {"rounds": 3, "starts": 6, "seconds": 1.5, "nagle": 40}
_QUICK |= {"slices": 250, "small": 1000, "frames": 200}
_USUAL |= {"slices": 500, "small": 2000, "frames": 400}


def _numbers(text: str) -> list[int]:
    numbers = [int(each) for each in text.split(",")]
    if not all(each > 0 for each in numbers):
        raise argparse.ArgumentTypeError(f"{text!r} has a number that is not positive")
    return numbers


def _guards(text: str) -> list[Guard]:
    try:
        return [Guard(each) for each in _names(text)]
    except ValueError:
        known = ", ".join(each.value for each in Guard)
        raise argparse.ArgumentTypeError(f"{text!r} is none of {known}") from None


def _names(text: str) -> list[str]:
    return [each.strip() for each in text.split(",")]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures Hilum beside every peer that is installed; see bench/README.md.",
    )
    add = parser.add_argument
    add("--list", action="store_true", help="list the rows, and measure nothing")
    add(
        "--only",
        action="append",
        default=[],
        metavar="TEXT",
        help="only rows with this in their name ('archive: …', 'SCU: …', 'broker: …'); repeat it",
    )
    add(
        "--systems",
        type=_names,
        default=[],
        metavar="NAME,…",
        help="only these of Hilum, Orthanc, storescp, dcmqrscp",
    )
    add("--quick", action="store_true", help="one short round of everything, within two minutes")
    add("--rounds", type=int, help="of every row (3); 0: only what --guards measures")
    add("--seconds", type=float, help="that small requests are asked for (1.5)")
    add("--nagle", type=int, help="instances that the client with Nagle's delay sends (40)")
    add(
        "--workers",
        type=_numbers,
        default=[1],
        metavar="N,…",
        help="processes of Hilum; one column for each number",
    )
    add(
        "--guards",
        type=_guards,
        default=[],
        metavar="NAME,…",
        help="one more table: what auth (tokens) and tls (both doors) cost",
    )
    add("--starts", type=int, help="with --guards: of the servers, each time anew (6)")
    add(
        "--peer",
        type=given,
        action="append",
        default=[],
        metavar="NAME=HTTP-URL,HOST:PORT,AET[,PID]",
        help="measure a server that runs; repeat it",
    )
    add(
        "--profile",
        type=Path,
        metavar="FOLDER",
        nargs="?",
        const=TEMPORARY / "hilum-profiles",
        help="flame graphs and stacks of Hilum in each row, by py-spy",
    )
    add(
        "--growth",
        nargs="?",
        const="",
        metavar="TEXT",
        help="how cost grows, instead of the rows; only tables with this in their name",
    )
    add(
        "--studies",
        type=_numbers,
        default=[],
        metavar="N,…",
        help="with --growth index: studies in the index (2000,100000)",
    )
    add("--merge", action="store_true", help="keep the rows of the file that are not measured now")
    add(
        "--json",
        type=Path,
        default=HERE / "results.json",
        metavar="FILE",
        help="where the results go; RESULTS.md is written beside it",
    )
    add("--report", action="store_true", help="only write RESULTS.md anew from the file")
    add(
        "--corpus",
        type=Path,
        default=TEMPORARY / "hilum-bench",
        metavar="FOLDER",
        help="where the corpus is, or is made",
    )
    add(
        "--work",
        type=Path,
        metavar="FOLDER",
        help="where the servers keep what they store (a temporary folder)",
    )
    add("--slices", type=int, help="of the CT study (500)")
    add("--small", type=int, help="studies of one small instance (2000)")
    add("--frames", type=int, help="of the multi-frame object (400)")
    found = parser.parse_args(arguments)
    for name, value in (_QUICK if found.quick else _USUAL).items():
        if getattr(found, name) is None:
            setattr(found, name, value)
    for name in ("corpus", "work", "json", "profile"):
        if getattr(found, name) is not None:
            setattr(found, name, getattr(found, name).resolve())
    return found
