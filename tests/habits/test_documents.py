"""What the manual says is what there is."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import typer
from pydantic import BaseModel

from hilum.cli.main import COMMANDS
from hilum.config.document import rewritten
from hilum.config.keys import keys
from hilum.config.schema import Settings

ROOT = Path(__file__).parents[2]
MANUAL = ROOT / "doc" / "manual"
SEVERAL = "Options of several commands"
PAGES = sorted(
    path
    for folder in (ROOT, ROOT / "doc", ROOT / "architecture")
    for path in (folder.glob("*.md") if folder == ROOT else folder.rglob("*.md"))
)


def test_the_configuration_reference_is_that_of_the_schema() -> None:
    page = MANUAL / "03_configuration_reference.md"
    text = page.read_text(encoding="utf-8")
    assert text == rewritten(text), f"run: python -m hilum.config.document {page.relative_to(ROOT)}"


def sections() -> dict[str, str]:
    """The sections of the chapter on the command line, by command."""
    text = (MANUAL / "04_command_line.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_manual_has_a_section_for_each_command_and_no_other() -> None:
    names = [each.removeprefix("hilum ") for each in sections() if each != SEVERAL]
    assert sorted(names) == sorted(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_manual_has_every_option_of_a_command(name: str) -> None:
    command = typer.main.get_command(import_module(COMMANDS[name]).command)
    below = getattr(command, "commands", {}).values()  # of one that is a group
    params = [each for one in (command, *below) for each in one.params]
    each_way = ((*each.opts, *each.secondary_opts) for each in params)
    options = [option for ways in each_way for option in ways if option != "--help"]
    text = sections()[f"hilum {name}"]
    told = text + sections()[SEVERAL]
    missing = [each for each in options if each.startswith("-") and f"`{each}" not in told]
    assert not missing
    written = set(re.findall(r"`(--?[a-z][a-z-]*)", text))
    assert written <= {*options, "--help"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    broken = [each for each in links if "://" not in each and not (page.parent / each).exists()]
    assert not broken


def test_the_chapters_of_the_manual_are_numbered_without_a_gap() -> None:
    names = sorted(path.name for path in MANUAL.glob("*.md"))
    assert [int(name[:2]) for name in names] == list(range(1, len(names) + 1))


def test_the_house_has_its_twelve_chapters() -> None:
    names = sorted(path.name[:2] for path in (ROOT / "architecture" / "arc42").glob("*.md"))
    assert names == [f"{number:02}" for number in range(1, 13)]


def test_every_decision_is_listed() -> None:
    listed = (ROOT / "architecture" / "arc42" / "09_decisions.md").read_text(encoding="utf-8")
    for path in (ROOT / "architecture" / "decisions").glob("*.md"):
        assert path.name in listed


def settings() -> set[str]:
    """Every section and setting that does not stand in a table that the user names."""

    def below(section: type[BaseModel], before: str) -> Iterator[str]:
        for name, found in keys(section).items():
            yield before + name
            for each in found.sections:
                yield from below(each, f"{before}{name}." + ("NAME." if found.named else ""))

    return {*below(Settings, "")}


@pytest.mark.parametrize("page", sorted(MANUAL.glob("*.md")), ids=lambda page: page.stem)
def test_commands_and_settings_that_a_chapter_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    commands = set(re.findall(r"`hilum ([a-z]+)", text))
    assert commands <= set(COMMANDS)
    first = "|".join(Settings.model_fields)
    named = set(re.findall(rf"`((?:{first})\.(?:NAME\.)?[a-z_]+(?:\.[a-z_]+)*)`", text))
    of_dicom_rst = ("server.http.", "telemetry.level", "telemetry.audit.")
    theirs = {each for each in named if each.startswith(of_dicom_rst)}
    assert sorted(named - settings() - theirs) == []


def test_the_manual_has_what_of_each_section_can_change_while_it_runs() -> None:
    text = (MANUAL / "08_operations.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`\[.+?) \| (while it runs|by a restart)", text, re.MULTILINE)
    told = {name: says for cell, says in rows for name in re.findall(r"`\[(\w+)\]`", cell)}
    live = {True: "while it runs", False: "by a restart"}
    found = keys(Settings).items()
    assert told == {name: live[all(each.reloads for each in key.sections)] for name, key in found}  # type: ignore[attr-defined]
