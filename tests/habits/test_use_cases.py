"""Every configuration in the manual can be read as it stands."""

import re
import shlex
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import trustme
import typer

from hilum.cli.main import COMMANDS
from hilum.config.load import load
from hilum.config.mounts import DicomwebMount, DimseMount, FhirMount

MANUAL = Path(__file__).parents[2] / "doc" / "manual"
USE_CASES = MANUAL / "09_use_cases.md"
OTHERS = MANUAL / "10_coming_from.md"


def blocks(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


BLOCKS = [
    pytest.param(block, id=f"{page.stem} {number}")
    for page in sorted(MANUAL.glob("*.md"))
    for number, block in enumerate(blocks(page), 1)
]


def surroundings(folder: Path, text: str) -> dict[str, str]:
    """The files and variables that a configuration names."""
    environ = dict.fromkeys(re.findall(r'env = "(\w+)"', text), "hush")
    environ["CREDENTIALS_DIRECTORY"] = str(folder)
    for name in re.findall(r'file = "\$CREDENTIALS_DIRECTORY/([^"]+)"', text):
        (folder / name).write_text("hush\n")
    for name in re.findall(r'(?:ca_file|client_ca|certificate|key|bearer_file) = "([^"]+)"', text):
        trustme.CA().cert_pem.write_to_path(folder / name)
    return environ


@pytest.mark.parametrize("block", BLOCKS)
def test_every_configuration_in_the_manual_can_be_read(block: str, tmp_path: Path) -> None:
    text = block if "mounts" in tomllib.loads(block) else f"{block}\n[mounts.ARCHIVE]\n"
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    load(path, surroundings(tmp_path, text))


def test_the_use_cases_need_nothing_that_is_not_in_them() -> None:
    assert all("mounts" in tomllib.loads(each) for each in blocks(USE_CASES))


def sections() -> dict[str, str]:
    text = USE_CASES.read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("name", list(sections()))
def test_a_use_case_has_a_configuration(name: str) -> None:
    assert name == "What becomes of what" or "```toml" in sections()[name]


def commands() -> list[str]:
    text = USE_CASES.read_text(encoding="utf-8")
    return re.findall(r"^    (hilum .+)$", text, re.MULTILINE)


@pytest.mark.parametrize("line", commands())
def test_the_commands_of_the_use_cases_are_there(line: str) -> None:
    _hilum, name, *words = shlex.split(line, comments=True)
    command = typer.main.get_command(import_module(COMMANDS[name]).command)
    options = {each for parameter in command.params for each in parameter.opts}
    assert {each for each in words if each.startswith("-")} <= options


@pytest.mark.parametrize("kind", [DimseMount, DicomwebMount, FhirMount])
def test_every_setting_of_a_pacs_or_an_origin_server_is_shown_somewhere(
    kind: type[DimseMount | DicomwebMount | FhirMount],
) -> None:
    text = "".join(map("".join, map(blocks, (USE_CASES, OTHERS))))
    rest = {"max_pdu", "connect_timeout", "acse_timeout", "walk_limit", "query_timeout"}
    rest |= {"retrieve_timeout"}  # bounds whose defaults do, told of in the reference
    missing = [name for name in kind.model_fields if not re.search(rf"\b{name}\b", text)]
    assert set(missing) <= rest


def test_what_others_call_a_setting_leads_to_one_that_there_is(tmp_path: Path) -> None:
    rows = [line for line in OTHERS.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    names = set(re.findall(r"`(HILUM_[A-Z_]+)`", "".join(rows))) - {"HILUM_CONFIG"}
    values = {"PORT": "104", "MAX_RETRIES": "3", "LEVEL": "info", "FORMAT": "json", "AET": "Y"}
    times = {"RETRY_AFTER", "RETRY_DELAY", "ARRIVAL_TIMEOUT", "MAX_AGE"}
    values |= dict.fromkeys(times, "60m") | {"BACKEND": "dimse"}
    environ = {name: values.get(name.rpartition("__")[2], "x") for name in names}
    path = tmp_path / "config.toml"
    path.write_text('[mounts.PACS]\nbackend = "dimse"\n')
    pacs = load(path, environ).mounts["PACS"]
    assert isinstance(pacs, DimseMount)
    assert pacs.cache.max_age == 3600
    assert len(names) > 15
