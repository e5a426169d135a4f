"""What is told of, and that the manual and the dashboard tell of the same."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hilum.config.imaging import ImagingSettings
from hilum.config.mounts import ArchiveMount
from hilum.config.schema import ServerSettings, Settings
from hilum.core import measures
from hilum.core.lasting import Uses
from hilum.core.mounts import Mount, Mounts
from hilum.core.queue import Count
from hilum.model.errors import BackendFault
from hilum.service import gauges
from hilum.service.counted import Durations
from hilum.service.families import Family, Sample
from hilum.service.gauges import OF_MOUNTS, Gauges, watching_the_loop
from hilum.service.metrics import Metrics
from hilum.workshop.pool import Workshop

pytestmark = pytest.mark.anyio
DOC = Path(__file__).parents[2] / "doc"


class Pacs:
    def __init__(self, error: Exception | None = None, pause: float = 0.0) -> None:
        self.error, self.pause = error, pause

    async def measure(self) -> Mapping[str, float]:
        await asyncio.sleep(self.pause)
        if self.error is not None:
            raise self.error
        return {"hilum_pool_in_use": 2, "hilum_cache_hits": 5}


class Sends:
    count, waits = 3, 4.5


class Queue:
    async def counts(self) -> Sequence[Count]:
        return [
            Count("publish", "ONE", waiting=1, dead=2, oldest=100.0),
            Count("publish", "TWO", waiting=3, dead=0, oldest=50.0),
        ]


def measured(folder: Path, *pacs: Pacs, is_first: bool = True) -> Gauges:
    settings = Settings(server=ServerSettings(data=folder), mounts={"ARCHIVE": ArchiveMount()})
    mounts = {
        f"M{number}": Mount(name=f"M{number}", backend="dimse", measures=(each,))
        for number, each in enumerate(pacs)
    }
    return Gauges(
        *(lambda: settings, lambda: Mounts(mounts, None), Workshop(ImagingSettings())),
        *(Sends(), Queue(), Durations()),  # type: ignore[arg-type] # doubles
        is_first=is_first,
    )


def samples(families: Sequence[Family]) -> dict[str, list[Sample]]:
    return {each.name: list(each.samples) for each in families}


async def test_mounts_say_how_much_of_what_they_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "PATIENCE", 0.01)
    found = samples(
        await measured(tmp_path, Pacs(), Pacs(BackendFault("broken")), Pacs(pause=60))()
    )
    assert found["hilum_pool_in_use"] == [Sample("hilum_pool_in_use", {"mount": "M0"}, 2)]
    assert found["hilum_cache_hits"] == [Sample("hilum_cache_hits_total", {"mount": "M0"}, 5)]
    assert found["hilum_sends"][0].value == 3
    by_state = {each.labels["state"]: each.value for each in found["hilum_queue"]}
    assert by_state == {"waiting": 4, "dead": 2}
    assert found["hilum_queue_oldest_seconds"][0].value > 10**9
    assert found["hilum_disk_free_bytes"][0].value > 0


async def test_what_is_measured_is_not_closed_meanwhile(tmp_path: Path) -> None:
    uses = Uses()
    gone: list[bool] = []

    class Leaving(Pacs):
        async def measure(self) -> Mapping[str, float]:
            uses.want(wanted=False)  # as a reload does that has the mount no more
            gone.append(uses.over.is_set())
            return await super().measure()

    mount = Mount(name="M", backend="dimse", measures=(Leaving(), Leaving()), uses=uses)
    gauges = replace(measured(tmp_path), mounts=lambda: Mounts({"M": mount}, None))
    assert len(samples(await gauges())["hilum_pool_in_use"]) == 2
    assert gone == [False, False]
    assert uses.over.is_set()


async def test_what_all_workers_share_one_tells(tmp_path: Path) -> None:
    found = samples(await measured(tmp_path, is_first=False)())
    assert not {"hilum_queue", "hilum_disk_free_bytes"} & found.keys()


async def test_how_late_the_loop_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges, "TICK", 0.001)
    async with watching_the_loop() as lag:
        while not sum(lag.buckets):  # noqa: ASYNC110 - nobody tells of a tick
            await asyncio.sleep(0.001)
    assert lag.total >= 0


async def names(folder: Path) -> set[str]:
    """All metrics of ours, as they are written."""
    metrics = Metrics(Settings())
    metrics.add(measured(folder, Pacs()))
    families = [each for each in await metrics.families() if each.name.startswith("hilum_")]
    return {each.name + ("_total" if each.kind == "counter" else "") for each in families}


async def test_the_manual_has_every_metric_and_no_other(tmp_path: Path) -> None:
    text = (DOC / "manual" / "08_operations.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(hilum_\w+)` \|", text, re.MULTILINE)) == await names(tmp_path)
    assert {each for each in OF_MOUNTS if each.removesuffix("_total") not in text} == set()


async def test_the_dashboard_asks_for_metrics_that_there_are(tmp_path: Path) -> None:
    text = (DOC / "grafana" / "hilum.json").read_text(encoding="utf-8")
    board: dict[str, Any] = json.loads(text)
    asked = [each["expr"] for panel in board["panels"] for each in panel["targets"]]
    used = set(re.findall(r"\b(?:hilum|process)_\w+", " ".join(asked)))
    known = await names(tmp_path)
    series = {f"{each}{suffix}" for each in known for suffix in ("", "_bucket", "_count", "_sum")}
    ours = {each for each in used if each.startswith("hilum_")}
    assert ours <= series
    assert {re.sub("_(bucket|count|sum)$", "", each) for each in ours} == known
    assert used - ours == {"process_cpu_seconds_total", "process_resident_memory_bytes"}
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
