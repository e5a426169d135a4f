"""Every command teaches what it is for, and ends as the manual says."""

import ast
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand

from hilum.cli.examples import EXAMPLES
from hilum.cli.main import COMMANDS
from hilum.cli.scu import ending

ROOT = Path(__file__).parents[2]
CLI = ROOT / "src" / "hilum" / "cli"
QUIET = {"run", "viewer", "cert", "token", "cert self-signed"}
"""Groups, and what prints nothing that a script would read."""
INTERRUPTED = 130  # by Ctrl+C


def commands() -> dict[str, TyperCommand]:
    """All of them by their names, those of groups too, but not the groups."""
    found = {}
    for name, module in COMMANDS.items():
        command = typer.main.get_command(import_module(module).command)
        below = getattr(command, "commands", None)
        named = {f"{name} {each}": one for each, one in below.items()} if below else {name: command}
        found.update(named)
    return found


ALL = commands()


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_command_says_in_one_line_what_it_is_for_and_documents_its_options(name: str) -> None:
    command = ALL[name]
    summary = (command.help or "").partition("\n")[0]
    assert summary.endswith(".")
    assert 10 < len(summary) <= 100
    arguments = {each.name for each in command.params if each.param_type_name == "argument"}
    silent = {each.name for each in command.params if not getattr(each, "help", None)}
    assert not silent - arguments


def test_no_help_has_brackets_that_are_taken_for_markup_and_not_shown() -> None:
    groups = {
        name: typer.main.get_command(import_module(COMMANDS[name]).command) for name in COMMANDS
    }
    for name, command in {**groups, **ALL}.items():
        for said in (command.help, *(getattr(each, "help", None) for each in command.params)):
            assert not re.search(r"\[[a-z/#@]", said or ""), name


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_help_of_a_command_has_an_example_that_can_be_typed(name: str) -> None:
    options = {each for one in ALL[name].params for each in (*one.opts, *one.secondary_opts)}
    assert name in EXAMPLES, "add one to hilum/cli/examples.py"
    for line in EXAMPLES[name]:
        words = shlex.split(line)
        assert words[: len(name.split()) + 1] == ["hilum", *name.split()]
        assert {word for word in words if word.startswith("-")} <= options


def test_no_example_is_of_a_command_that_is_gone() -> None:
    assert set(EXAMPLES) <= set(ALL)


@pytest.mark.parametrize("name", sorted(set(ALL) - QUIET))
def test_what_a_script_would_read_is_printed_as_json_too(name: str) -> None:
    assert any("--json" in each.opts for each in ALL[name].params)


def table() -> set[int]:
    text = (ROOT / "doc" / "manual" / "04_command_line.md").read_text(encoding="utf-8")
    head = text.index("| exit code | meaning |")
    return {int(code) for code in re.findall(r"^\| (\d+) \|", text[head:], re.MULTILINE)}


def codes(node: ast.expr) -> Iterator[int]:
    """The exit codes that an expression may be."""
    match node:
        case ast.Constant(value=int(code)):
            yield code
        case ast.IfExp(body=one, orelse=other):
            yield from codes(one)
            yield from codes(other)
        case ast.Name(id=name) if hasattr(ending, name):
            yield getattr(ending, name)
        case ast.Name(id="INTERRUPTED"):
            yield INTERRUPTED
        case ast.Name(id="code"):  # handed on by `ending.end`, whose callers are looked at
            return
        case _:
            raise AssertionError(f"line {node.lineno}: {ast.unparse(node)}: which code is that?")


def test_the_exit_codes_of_the_manual_are_those_of_the_code() -> None:
    found = {0, INTERRUPTED}
    for path in CLI.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                called = ast.unparse(node.func)
                if called in {"typer.Exit", "end", "sys.exit"}:
                    found |= {*codes(node.args[0])}
    assert found == table()
