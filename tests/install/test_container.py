"""Dockerfile and compose.yaml, as far as they can be looked at where no engine runs."""

import fnmatch
import re
import shutil
import subprocess
import tomllib
from pathlib import Path, PurePath

import pytest
import yaml

from hilum.config.load import load

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
LINES = re.sub(r"\\\n\s*", " ", DOCKERFILE).splitlines()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
HILUM = COMPOSE["services"]["hilum"]


def said(word: str) -> list[str]:
    return [line.removeprefix(f"{word} ") for line in LINES if line.startswith(f"{word} ")]


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="needs hadolint")
def test_hadolint_has_nothing_to_say() -> None:
    subprocess.run(["hadolint", ROOT / "Dockerfile"], check=True)


def test_everything_that_is_copied_is_there_and_not_left_out() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in ignored if line and not line.startswith("#")]
    for line in said("COPY"):
        if "--from=" in line:
            continue
        for name in [each for each in line.split() if not each.startswith("--")][:-1]:
            assert (ROOT / name).exists()
            kept = True
            for pattern in patterns:  # the last one that fits decides
                if fnmatch.fnmatch(name, pattern.removeprefix("!")):
                    kept = pattern.startswith("!")
            assert kept, name


def test_everything_that_the_wheel_is_made_of_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["force-include"], *wheel["packages"], project["project"]["readme"]}
    copied = [each for line in said("COPY") for each in line.split()[:-1]]
    for each in needed:
        assert any(PurePath(each).is_relative_to(place) for place in copied), each


def test_the_variables_of_the_image_are_settings_that_work(tmp_path: Path) -> None:
    [line] = said("ENV")
    environ = dict(re.findall(r"(HILUM_\w+)=(\S+)", line)) | HILUM["environment"]
    config = tmp_path / "config.toml"
    shutil.copyfile(ROOT / "config.toml", config)
    found = load(config, environ | {"HILUM_CONFIG": str(config)})
    assert found.server.data == Path("/data")
    assert (found.http.bind, found.auth.enabled) == ("0.0.0.0", True)  # noqa: S104 - in a container
    published = {each.split(":")[-1] for each in HILUM["ports"]}
    assert (
        published
        == {str(found.http.port), str(found.dimse.port)}
        == set(*map(str.split, said("EXPOSE")))
    )
    assert all(each.startswith("127.0.0.1:") for each in HILUM["ports"])


def test_it_is_not_root_and_keeps_what_it_keeps_in_volumes() -> None:
    assert said("USER")[-1] == "10001:10001"
    [volumes] = said("VOLUME")
    places = {each.partition(":")[2] for each in HILUM["volumes"]}
    assert set(yaml.safe_load(volumes)) == places
    assert {each.partition(":")[0] for each in HILUM["volumes"]} == set(COMPOSE["volumes"])
    assert HILUM["read_only"]
    assert HILUM["cap_drop"] == ["ALL"]


def test_both_ask_for_its_health_in_the_same_way() -> None:
    [health] = said("HEALTHCHECK")
    assert yaml.safe_load(health.partition("CMD ")[2]) == HILUM["healthcheck"]["test"][1:]
    stopping = re.fullmatch(r"(\d+)s", HILUM["stop_grace_period"])
    assert stopping
    assert int(stopping[1]) > load(ROOT / "config.toml", {}).http.graceful_shutdown
