import json
from pathlib import Path

from tests.cli.scu.peer import call

CONFIG = '[mounts.ARCHIVE]\ndefault = true\n[peers.CT]\naet = "CT"\nhost = "ct1"\nport = 104\n'


def configured(folder: Path) -> str:
    path = folder / "config.toml"
    path.write_text(CONFIG)
    return str(path)


def test_the_statement_is_printed(tmp_path: Path) -> None:
    code, out, err = call("conformance", "--config", configured(tmp_path))
    assert (code, err) == (0, "")
    assert out.startswith("# DICOM conformance statement\n")
    assert "| CT | CT | ct1:104 |" in out


def test_programs_get_the_facts(tmp_path: Path) -> None:
    config = configured(tmp_path)
    code, out, _ = call("conformance", "--config", config, "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert [each["aet"] for each in found["entities"]] == ["ARCHIVE"]
    assert call("conformance", "--config", config, "--json")[1] == out


def test_it_can_go_to_a_file(tmp_path: Path) -> None:
    to = tmp_path / "statement.md"
    code, out, _ = call("conformance", "--config", configured(tmp_path), "--output", str(to))
    assert code == 0
    assert str(to) in out
    assert "## 8. Storage classes and transfer syntaxes" in to.read_text(encoding="utf-8")
    missing = str(tmp_path / "none" / "statement.md")
    code, _, err = call("conformance", "--config", configured(tmp_path), "-o", missing)
    assert (code, "No such file" in err) == (1, True)
