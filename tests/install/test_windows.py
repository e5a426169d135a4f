"""install-service.ps1, as far as it can be looked at where there is no Windows."""

import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "install-service.ps1"
TEXT = SCRIPT.read_text(encoding="utf-8")
POWERSHELL = shutil.which("pwsh") or shutil.which("powershell")
VERBS = ("install", "upgrade", "uninstall", "status", "print", "wheels")


def test_it_has_the_verbs_of_the_other_script() -> None:
    [said] = re.findall(r"ValidateSet\((.*?)\)", TEXT)
    assert tuple(re.findall(r'"(\w+)"', said)) == VERBS
    other = (ROOT / "install-service.sh").read_text(encoding="utf-8")
    assert all(f"{verb}" in other for verb in VERBS)
    assert set(re.findall(r'^    "(\w+)" \{', TEXT, re.MULTILINE)) == set(VERBS)


def test_every_function_that_is_called_is_there() -> None:
    made = set(re.findall(r"^function ([\w-]+) \{", TEXT, re.MULTILINE))
    ours = {name for name in re.findall(r"\b[A-Z][a-z]+-[A-Z]\w+\b", TEXT) if name in made}
    assert ours == made  # each is used somewhere
    called = set(re.findall(r"\b(?:\w+)-(?:Hilum|Wrapper|Release|Old|State|Wheels)\b", TEXT))
    assert called <= made
    assert TEXT.isascii()  # Windows PowerShell reads a file without a mark in the local code page


def test_what_the_wrapper_reads_is_xml_and_stops_by_ctrl_c() -> None:
    [told] = re.findall(r'@"\n(<service>.*?</service>)\n"@', TEXT, re.DOTALL)
    service = ET.fromstring(re.sub(r"\$\(.*?\)\)?(?=[<\"])", "X", told))  # noqa: S314 - ours
    assert service.findtext("id") == "$Name"
    assert service.findtext("stoptimeout") == "60 sec"
    assert service.find("stopexecutable") is None  # then it is Ctrl+C: service/signals.py


def test_the_wrapper_that_is_fetched_is_pinned() -> None:
    assert re.search(r'^\$WrapperHash = "[0-9A-F]{64}"$', TEXT, re.MULTILINE)
    assert re.search(r'^\$WrapperUrl = "https://.*/v2\.12\.0/', TEXT, re.MULTILINE)


@pytest.mark.skipif(POWERSHELL is None, reason="needs PowerShell")
def test_powershell_and_its_linter_have_nothing_to_say() -> None:
    check = (
        "$e = $null; [void][Management.Automation.Language.Parser]::ParseFile("
        f"'{SCRIPT}', [ref]$null, [ref]$e); $e; if ($e) {{ exit 1 }}; "
        "if (Get-Module -ListAvailable PSScriptAnalyzer) { $f = Invoke-ScriptAnalyzer "
        f"-Path '{SCRIPT}' -Severity Warning,Error "
        "-ExcludeRule PSUseShouldProcessForStateChangingFunctions; "
        "$f; if ($f) { exit 1 } }"
    )
    done = subprocess.run(
        [str(POWERSHELL), "-NoProfile", "-Command", check],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
