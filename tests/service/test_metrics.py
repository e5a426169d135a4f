import pytest

import hilum
from hilum.config.schema import Settings
from hilum.service.families import Family, Sample
from hilum.service.metrics import Metrics

pytestmark = pytest.mark.anyio


async def cats() -> list[Family]:
    return [Family("cats", "gauge", "Cats.", [Sample("cats", {"of": "us"}, 2)])]


async def test_it_says_which_version_runs_and_what_others_have_counted() -> None:
    metrics = Metrics(Settings())
    metrics.add(cats)
    text, kind = await metrics.expose("")
    assert f'hilum_info{{version="{hilum.__version__}"}} 1.0' in text.decode()
    assert 'cats{of="us"} 2.0' in text.decode()
    assert kind.startswith("text/plain")
