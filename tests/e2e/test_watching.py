"""Who looks after the service sees what it does: by the door of administrators, and in the log."""

import os
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests import peers

WORKERS = 1 if os.name == "nt" else 2


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Hilum]:
    folder = tmp_path_factory.mktemp("watched")
    config = peers.configuration(more="[admin]\nenabled = true\nport = 0\n").replace(
        "[server]", f"[server]\nworkers = {WORKERS}"
    )
    with peers.hilum(folder, config) as hilum:
        yield hilum


@pytest.fixture
def admin(broker: peers.Hilum) -> Iterator[httpx.Client]:
    """A client at the door of administrators."""
    [line] = [each for each in broker.said.splitlines() if each.startswith("  Admin ")]
    with httpx.Client(base_url=line.split()[1], timeout=60) as client:
        yield client


def metrics(admin: httpx.Client) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Labels and value of each sample, by its name."""
    answer = admin.get("/metrics")
    assert answer.status_code == 200, answer.text
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(answer.text):
        for each in family.samples:
            found.setdefault(each.name, []).append((dict(each.labels), each.value))
    return found


@pytest.mark.skipif(os.name == "nt", reason="there is one worker")
def test_the_numbers_of_all_workers_are_told_together(admin: httpx.Client) -> None:
    told = metrics(admin)
    assert {labels["worker"] for labels, _ in told["hilum_info"]} == {"0", "1"}
    assert len(told["process_resident_memory_bytes"]) == WORKERS


def test_it_is_ready_at_both_doors(broker: peers.Hilum, admin: httpx.Client) -> None:
    for root in (broker.root, str(admin.base_url)):
        for path in ("/livez", "/readyz"):
            answer = httpx.get(root.rstrip("/") + path, timeout=60)
            assert (answer.status_code, answer.json()["status"]) == (200, "healthy")
    told = admin.get("/readyz?verbose").json()
    assert told["mounts"]["ARCHIVE"]["status"] == "healthy"
    assert set(told["checks"]) == {"archive ARCHIVE", "database", "space", "queue"}
