"""A FHIR R4 server by somebody else, as a process for tests: Medplum's router over memory.

It takes only what R4's profiles allow, has conditional create, update and delete, If-Match,
batches (a transaction is one without a way back) and searches; no /metadata and no links to a next
page. Names are found by any part of them, not only by their beginning.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
from tests import npm, peers

FOLDER = Path(__file__).with_name("medplum")
FHIR_JSON = "application/fhir+json"

State = Literal["up", "refusing", "losing", "closed"]


@dataclass(frozen=True)
class Medplum:
    """A running one.

    Attributes:
        url: FHIR's root.
        control: where the tests have their say.
        token: that must be shown; "": none.
    """

    url: str
    control: str
    token: str
    peer: peers.Peer

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """A request below FHIR's root, with the token."""
        said = {"Content-Type": FHIR_JSON, **(headers or {})}
        if self.token:
            said.setdefault("Authorization", f"Bearer {self.token}")
        return httpx.request(method, f"{self.url}/{path}", json=body, headers=said)

    def put(self, *resources: Mapping[str, Any]) -> None:
        """Keep these under their own ids."""
        for each in resources:
            path = f"{each['resourceType']}/{each['id']}"
            answer = self.ask("PUT", path, each)
            assert answer.is_success, answer.text

    def found(self, search: str) -> list[dict[str, Any]]:
        """The resources that a search finds: `Patient?name=doe`."""
        answer = self.ask("GET", search)
        assert answer.is_success, answer.text
        return [each["resource"] for each in answer.json().get("entry", ())]

    def requests(self) -> list[dict[str, Any]]:
        """What was asked so far: `method`, `url` and `status` of each, ours too."""
        answer: list[dict[str, Any]] = httpx.get(self.control).raise_for_status().json()
        return answer

    def forget(self) -> None:
        """What was asked, and every resource."""
        httpx.delete(self.control).raise_for_status()

    def becomes(self, state: State) -> None:
        """Let it fail, or be well again; what it keeps stays.

        `refusing`: 503, and no effect; `losing`: the effect, and no answer; `closed`: nobody
        listens.
        """
        httpx.put(f"{self.control}/{state}").raise_for_status()

    @contextmanager
    def being(self, state: State) -> Iterator[None]:
        """The same until the block ends."""
        self.becomes(state)
        try:
            yield
        finally:
            self.becomes("up")


@contextmanager
def medplum(folder: Path, *, token: str = "") -> Iterator[Medplum]:
    """A server with nothing in it, until the block ends.

    Args:
        folder: for what it writes.
        token: the bearer token it demands; "": none.
    """
    program = npm.node(FOLDER)
    port, control = peers.free_port(), peers.free_port()
    environment = {
        "PORT": str(port),
        "CONTROL": str(control),
        "TOKEN": token,
        "NODE_NO_WARNINGS": "1",
    }
    with peers.running(
        [program, FOLDER / "server.mjs"],
        aet="medplum",
        port=port,
        folder=folder / "medplum",
        env=environment,
        ready=lambda peer: "ready: " in peer.said,
    ) as peer:
        host = peers.HOST
        yield Medplum(f"http://{host}:{port}/fhir", f"http://{host}:{control}", token, peer)
