from pathlib import Path

import pytest
from tests.explaining.told import settings

from hilum.core.policy import Policy, Rule
from hilum.explaining.allowed import allowed, named
from hilum.explaining.request import of_line
from hilum.model.errors import Forbidden
from hilum.model.principal import NOBODY, Grant, Principal, Proof, Right

pytestmark = pytest.mark.anyio
ANN = Principal("ann", Proof.TOKEN)
ANYWHERE = Rule(name="a", grant=Grant(frozenset({Right.METRICS})), names=("ann",))
SOMEWHERE = Rule(
    name="b", grant=Grant(frozenset({Right.ECHO}), frozenset({"CLOUD"})), names=("ann",)
)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("GET /metrics", "ann may metrics on every mount: auth.rules.a"),
        ("GET /health", "ann may echo on CLOUD: auth.rules.b"),
        ("GET /aets", "ann may echo on CLOUD: auth.rules.b"),
        ("GET /livez", "ann may do that: it is for everybody"),
        ("GET /queue", "refused: ann may not admin on every mount: auth.rules.a fits"),
        ("OPTIONS /aets/PACS/studies", "refused: ann may not anything on PACS"),
    ],
)
def test_what_is_about_no_mount_needs_a_right_at_one_or_at_every(
    tmp_path: Path, line: str, says: str
) -> None:
    found = settings(tmp_path)
    try:
        said = "".join(allowed(of_line(line, found), found, ANN, Policy([ANYWHERE, SOMEWHERE])))
    except Forbidden as error:
        said = f"refused: {error}"
    assert said.startswith(says)


async def test_a_peer_is_known_by_its_name_and_its_title(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert await named("viewer", found, None) == await named("VIEWER", found, None)
    assert await named("anonymous", found, None) is NOBODY
    assert (await named("CN=x,O=y", found, None)).proof is Proof.CERTIFICATE
