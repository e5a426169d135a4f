"""Every module has its tests in the same place of the other tree, or a reason why not."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE, TESTS = ROOT / "src" / "hilum", ROOT / "tests"
PUBLISH = "tests/e2e/test_publish.py, with a FHIR server of somebody else"
INDEX = "what it makes is seen through a whole archive: tests/backends/archive, tests/contract"
CACHE = "seen through the whole: tests/backends/cache/test_kept.py, test_entries.py, test_jobs.py"
ROUTES = (
    "seen over a socket by the tests of the resources: test_qido, test_wado, test_stow, test_web"
)
FHIR = "tests/e2e/test_fhir.py asks for it, of an archive and of a PACS; test_fhir_samples.py"
SUBSCRIPTIONS = "tests/e2e/test_subscriptions.py, with somebody who is told"
VALUES = "values without behaviour"
CAPTURE = "tests/cli/test_capture.py: records are taken, and played again"
SELFTEST = "tests/cli/test_selftest.py, with running brokers"
ELSEWHERE = {
    "__main__": "one line, run by tests/cli/test_version.py",
    "watching": "tests/e2e/test_watching.py",
    "changing": "tests/e2e/test_reload.py, by a broker that runs",
    "doors": "tests/test_app.py opens them",
    "core/used": "tests/e2e/test_reload.py: what is used stays open",
    "frontends/current": "tests/e2e/test_reload.py",
    "core/backend": "protocols: every backend's tests are theirs",
    "core/account": "tests/core/test_audit.py, through a broker",
    "core/login": VALUES,
    "core/explained": VALUES,
    "core/readiness": VALUES,
    "core/measures": "tests/service/test_gauges.py",
    "core/records": "tests/service/test_counted.py, through a broker",
    "core/summary": "tests/service/test_told.py",
    "config/imaging": VALUES,
    "frontends/admin/local": "tests/frontends/admin/test_app.py",
    "administering": "tests/browser/test_admin.py, with a broker that runs",
    "frontends/admin/desk": VALUES,
    "frontends/dicomweb/form": "tests/frontends/dicomweb/test_login_page.py",
    "frontends/admin/metrics": "tests/frontends/admin/test_app.py",
    "frontends/admin/resources": "tests/frontends/admin/test_app.py",
    "model/audit": VALUES,
    "model/principal": VALUES,
    "core/operations": VALUES,
    "core/fhir/whole": "tests/e2e/test_fhir.py",
    "telling": PUBLISH,
    "notifying": SUBSCRIPTIONS,
    "core/fhir/of_subscription": SUBSCRIPTIONS,
    "core/fhir/subscribing": SUBSCRIPTIONS,
    "core/fhir/subscriptions": SUBSCRIPTIONS,
    "frontends/fhir/notified": SUBSCRIPTIONS,
    "frontends/fhir/subscriptions": SUBSCRIPTIONS,
    "model/errors": "names; tests/codec/test_verdict.py walks the tree",
    "model/instance": VALUES,
    "model/issued": "tests/state/test_tokens.py",
    "model/match": "a protocol: tests/contract",
    "model/outcome": VALUES,
    "model/query": VALUES,
    "model/sending": VALUES,
    "upper_layer/standing": VALUES,
    "cli/ohif/pinned": VALUES,
    "cli/examples": "tests/habits/test_commands.py",
    "cli/replay": CAPTURE,
    "cli/record/middle": CAPTURE,
    "cli/record/place": CAPTURE,
    "cli/record/play_dimse": CAPTURE,
    "cli/record/play_http": CAPTURE,
    "cli/record/played": CAPTURE,
    "cli/stated/statement": VALUES,
    "cli/tested/row": SELFTEST,
    "cli/tested/dimse": SELFTEST,
    "cli/tested/web": SELFTEST,
    "cli/tested/tls": SELFTEST,
    "cli/tested/storing": SELFTEST,
    "cli/walk/rows": "a list; tests/cli/test_demo.py walks it",
    "cli/walk/far": "started by tests/cli/walk/test_crossing.py",
    "cli/walk/sends": "walked by tests/cli/walk/test_crossing.py",
    "cli/walk/fhir": "walked by tests/cli/walk/test_crossing.py and tests/cli/test_demo.py",
    "backends/archive/answer": INDEX,
    "backends/archive/describe": INDEX,
    "backends/archive/disk": "tests/backends/archive/test_order.py, by the system calls",
    "backends/archive/index": INDEX,
    "backends/archive/ingest": INDEX,
    "backends/archive/locate": INDEX,
    "backends/archive/lock": "tests/backends/archive/test_archive.py",
    "backends/archive/match": "tests/backends/archive/test_matching.py, against a plain oracle",
    "backends/archive/migrations/env": "tests/backends/archive/test_upgrade.py runs it",
    "backends/archive/outlast": INDEX,
    "backends/archive/record": INDEX,
    "backends/archive/schema": "tests/backends/archive/test_upgrade.py holds it against the tables",
    "backends/archive/select": INDEX,
    "backends/archive/statements": INDEX,
    "backends/archive/tags": INDEX,
    "backends/archive/terms": "tests/backends/archive/test_matching.py",
    "backends/archive/transactions": INDEX,
    "backends/archive/work": INDEX,
    "backends/archive/writer": INDEX,
    "backends/memory_matching": "tests/contract: held against the archive there",
    "backends/cache/files": CACHE,
    "backends/cache/folders": CACHE,
    "backends/cache/holding": CACHE,
    "backends/cache/lingering": "tests/backends/cache/test_lend.py",
    "backends/cache/opened": CACHE,
    "backends/cache/reading": CACHE,
    "backends/cache/share": CACHE,
    "backends/cache/shelf": CACHE,
    "config/limits": "tests/net/test_rates.py",
    "net/openid": "tests/e2e/test_login.py",
    "frontends/dicomweb/login_elsewhere": "tests/e2e/test_login.py",
    "net/room": "tests/net/test_http.py",
    "frontends/dicomweb/access": ROUTES,
    "frontends/dicomweb/app": ROUTES,
    "frontends/dicomweb/asked": ROUTES,
    "frontends/dicomweb/below": "tests/frontends/dicomweb/test_thumbnail.py and test_rendered.py",
    "frontends/dicomweb/capabilities": ROUTES,
    "frontends/dicomweb/direct": ROUTES,
    "frontends/dicomweb/documents": "tests/frontends/dicomweb/test_metadata.py and test_qido.py",
    "frontends/dicomweb/endpoint": ROUTES,
    "frontends/dicomweb/errors": ROUTES,
    "frontends/dicomweb/incoming": ROUTES,
    "frontends/dicomweb/json_array": ROUTES,
    "frontends/dicomweb/resources": "tests/frontends/dicomweb/test_openapi.py",
    "frontends/dicomweb/shown": "tests/frontends/dicomweb/test_rendered.py",
    "frontends/dicomweb/streamed": ROUTES,
    "frontends/dicomweb/upload": "tests/frontends/dicomweb/test_stow.py",
    "frontends/dicomweb/wanted": "tests/frontends/dicomweb/test_wado.py",
    "imaging/little": "tests/frontends/dicomweb/test_frames_of_samples.py",
    "workshop/looks": "tests/frontends/dicomweb/test_frames_of_samples.py",
    "workshop/tasks_frames": "tests/frontends/dicomweb/test_frames_of_samples.py",
    "workshop/reading": "tests/frontends/dicomweb/test_frames_of_samples.py",
    "codec/fhir/bundle": FHIR,
    "codec/fhir/capability": FHIR,
    "codec/fhir/endpoint": FHIR,
    "codec/fhir/imaging_study": FHIR,
    "codec/fhir/outcome": FHIR,
    "codec/fhir/patient": FHIR,
    "codec/fhir/subset": FHIR,
    "codec/fhir/times": "tests/codec/fhir/test_values.py",
    "core/fhir/of_endpoint": FHIR,
    "core/fhir/of_patient": FHIR,
    "core/fhir/of_study": FHIR,
    "core/fhir/patients": FHIR,
    "core/fhir/table": FHIR,
    "frontends/fhir/asked": FHIR,
    "frontends/fhir/errors": FHIR,
    "frontends/fhir/finding": FHIR,
    "frontends/fhir/given": FHIR,
    "frontends/fhir/kinds": FHIR,
    "frontends/fhir/metadata": FHIR,
    "frontends/fhir/pages": FHIR,
    "frontends/fhir/read": FHIR,
    "frontends/fhir/resources": FHIR,
    "frontends/fhir/search": FHIR,
    "frontends/dimse/admission": "tests/frontends/dimse/test_server.py, test_identity.py",
    "frontends/dimse/identity": "tests/e2e/test_doors.py, with pynetdicom",
    "frontends/dimse/listeners": "tests/frontends/dimse/test_server.py, tests/e2e/test_tls.py",
    "frontends/dimse/session": "the tests of the services beside it",
    "state/migrations/env": "tests/state/test_upgrade.py runs it",
    "state/schema": "tests/state/test_upgrade.py holds it against the tables",
    "codec/dicom_xml_reader": "tests/codec/test_dicom_xml.py, with the writer",
    "codec/flat": "tests/codec/test_dicom_json.py, against the general reader",
    "codec/walked": "tests/codec/test_elements.py",
    "net/connection": "tests/net/test_http.py",
    "net/exchange": "tests/net/test_http1.py, test_plain.py",
    "net/guard": "tests/net/test_http.py",
    "workshop/__main__": "a process: tests/workshop/test_pool.py",
    "workshop/job": "tests/workshop/test_pool.py",
    "workshop/spool": "tests/workshop/test_transcodes.py",
    "workshop/tasks": "tests/workshop/test_transcodes.py",
    "workshop/process": "tests/workshop/test_pool.py",
    "workers/__main__": "one line, run by tests/workers/test_supervisor.py",
    "workers/worker": "a process: tests/workers/test_supervisor.py, tests/e2e/test_workers.py",
    "upper_layer/sending": "tests/upper_layer/test_association.py and test_storing.py",
}
"""Modules without tests of their own, and where they are tested or why there is nothing to test."""


def modules() -> list[str]:
    return [
        path.relative_to(SOURCE).with_suffix("").as_posix()
        for path in sorted(SOURCE.rglob("*.py"))
        if path.name != "__init__.py" and "versions" not in path.parts
    ]


def mirrored(module: str) -> Path:
    folder, _, name = module.rpartition("/")
    return TESTS / folder / f"test_{name.rstrip('_')}.py"


def test_every_module_has_a_test_file() -> None:
    missing = [each for each in modules() if each not in ELSEWHERE and not mirrored(each).exists()]
    assert not missing


def test_every_reason_is_still_needed() -> None:
    known = modules()
    assert [each for each in ELSEWHERE if each not in known or mirrored(each).exists()] == []
