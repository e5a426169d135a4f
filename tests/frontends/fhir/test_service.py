import sys
from pathlib import Path
from zoneinfo import ZoneInfo

from tests import peers

from hilum.config.load import load
from hilum.core.fhir.patients import PatientIds
from hilum.frontends.fhir.service import fhir


def test_what_the_configuration_says_of_a_mount(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[mounts.ONE.fhir]\npatient_system = "urn:oid:1.2"\ntimezone = "Europe/Berlin"\n'
        'issuers = { "A B" = "https://example.org/a" }\n[fhir]\npage = 7\n[mounts.TWO]\n'
    )
    nobody: PatientIds = None  # type: ignore[assignment] # nobody is asked
    made = fhir(load(path, {}), nobody)
    one, two = made.systems["ONE"], made.systems["TWO"]
    assert (one.patient, one.accession, one.zone) == (
        "urn:oid:1.2",
        None,
        ZoneInfo("Europe/Berlin"),
    )
    assert (one.issuers, two.issuers, two.zone) == ({"A B": "https://example.org/a"}, {}, None)
    assert made.settings.page == 7


def test_a_running_service_does_without_the_models() -> None:
    code = (
        "import hilum.app, hilum.frontends.dicomweb.app, sys\n"
        "print([each for each in sys.modules if each.partition('.')[0] in {'fhir', 'fhir_core'}])"
    )
    done = peers.run([sys.executable, "-c", code], env={"PYTHONPATH": str(peers.SOURCES)})
    assert done.stdout.strip() == "[]"
