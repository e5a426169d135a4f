"""How does a client wait for a retrieval? At the open connection, or by coming again.

`stream`: the answer begins with the first instances. `retry_after`: 503 until all is here. `job`:
202 with a status resource, also where the client prefers that (RFC 7240 §4.1).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from math import ceil
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from hilum.codec.media_type import JSON
from hilum.codec.verdict import verdict_on
from hilum.core.backend import Fetches, Fetching
from hilum.core.mounts import Mount
from hilum.core.operations import Retrieve
from hilum.frontends.dicomweb.asked import Asked, warning
from hilum.frontends.dicomweb.reports import Reports
from hilum.frontends.dicomweb.streamed import Headers
from hilum.model.errors import HilumError, Incomplete, NotFound
from hilum.model.identity import Ref
from hilum.model.instance import Listed

NOTHING = "nothing is kept under these UIDs"
_STATUSES = {"running": None, "complete": 200, "incomplete": 206, "failed": 502}


class Waiting:
    """One request for instances, and how its client waits.

    Attributes:
        short: what is missing, where that is known before the answer begins.
    """

    def __init__(self, request: Request, asked: Asked) -> None:
        self._asked = asked
        self._prefers = _respond_async(request)
        self._is_head = request.method == "HEAD"
        self._reports: Reports = request.app.state.reports
        self._operation = asked.operation(Retrieve, refs=(asked.ref,))
        self._fetching: Fetching | None = None
        self.short: Incomplete | None = None

    async def begun(self) -> Response | None:
        """What to answer now; None when the instances are to be given.

        Raises:
            NotFound: there are none.
            HilumError: they could not be had, after all that was tried.
        """
        mount = self._asked.broker.mounts[self._asked.mount]
        wait = "job" if self._prefers else mount.wait
        if wait == "stream" or mount.fetches is None:
            return None
        fetches = self._asked.broker.fetches(self._operation)
        fetching = self._fetching = fetches.fetch(self._operation.refs)
        if fetching.ended:
            await self._counted(fetching)
            self._judge(fetching)
            if not self._prefers or fetching.announced:
                return None
        fetching.announced = True
        return self._later(mount, fetching, wait)

    async def _counted(self, fetching: Fetching) -> None:
        """How many there are, where nothing had to be brought and so nobody has looked."""
        if fetching.expected is None and fetching.error is None:
            async with self._asked.broker.retrieve(self._operation) as retrieval:
                if retrieval.manifest is not None:
                    fetching.expected = fetching.arrived = len(retrieval.manifest)

    def _judge(self, fetching: Fetching) -> None:
        """Go on when there is something to give."""
        if failed := failure(fetching):
            fetching.told = True
            raise copy(failed)
        self.short = shortfall(fetching)

    def _later(self, mount: Mount, fetching: Fetching, wait: str) -> Response:
        """What tells the client to come again."""
        said = described(fetching, self._asked.root)
        url = job_url(self._asked.root, fetching.id)
        headers = {"Retry-After": retry_after(mount), "Link": _link(url)}
        if wait != "job":
            text = "the instances are being retrieved: come again"
            content = orjson.dumps({**said, "error": text, "job": url})
            return Response(content, 503, headers, media_type=JSON)
        headers |= {"Location": url, "Content-Location": url}
        if self._prefers:
            headers["Preference-Applied"] = "respond-async"
        return Response(orjson.dumps({**said, "job": url}), 202, headers, media_type=JSON)

    def there(self, manifest: Sequence[Listed] | None) -> Sequence[Listed] | None:
        """The manifest without what is known to be missing."""
        if self.short is None or manifest is None:
            return manifest
        missing = set(self.short.missing)
        return [each for each in manifest if each.sop_instance_uid not in missing]

    def told(self, short: Incomplete, manifest: Sequence[Listed] | None) -> Headers:
        """The headers that tell of what is missing, and where each is named."""
        text = f"{short.count or 'some'} instances could not be retrieved"
        if manifest is not None:
            text = f"{short.count} of {len(manifest)} instances could not be retrieved"
        if self._fetching is not None:
            name = self._fetching.id
        else:
            name = self._report(manifest, "incomplete", short)
        url = job_url(self._asked.root, name)
        return [warning(self._asked.root, text), ("Link", _link(url))]

    @contextmanager
    def going(self, manifest: Sequence[Listed] | None) -> Iterator[Headers]:
        """The header of an answer whose end is not known: where it tells what was missing.

        Whoever sees it cut off has everything that could be had where that says `incomplete`.
        """
        if self._fetching is not None or self._is_head:  # it has ended before, or nothing goes out
            yield []
            return
        name = self._report(manifest, "running")
        url = job_url(self._asked.root, name)
        ended: Incomplete | None = None
        state = "failed"
        try:
            yield [("Link", _link(url))]
            state = "complete"
        except Incomplete as error:
            state, ended = "incomplete", error
            raise
        finally:
            self._report(manifest, state, ended, name)

    def _report(
        self,
        manifest: Sequence[Listed] | None,
        state: str,
        short: Incomplete | None = None,
        name: str = "",
    ) -> str:
        """Keep what there is to say; its name."""
        expected = None if manifest is None else len(manifest)
        arrived = None
        if state in ("complete", "incomplete") and expected is not None:
            arrived = expected - (0 if short is None else short.count)
        said = {
            "state": state,
            "status": _STATUSES[state],
            "expected": expected,
            "arrived": arrived,
            "missing": list(short.missing) if short is not None else [],
            "error": None if short is None else str(short),
            "result": result_url(self._asked.root, self._asked.ref),
        }
        return self._reports.add(self._asked.mount, said, name)


def described(fetching: Fetching, root: str) -> dict[str, Any]:
    """How far it is, for a client."""
    failed = failure(fetching) if fetching.ended else None
    short = shortfall(fetching) if fetching.ended else None
    state, status = "running", None
    if fetching.ended:
        state, status = "complete", 200
    if short is not None:
        state, status = "incomplete", 206
    if failed is not None:
        state, status = "failed", int(verdict_on(failed).http)
    error = failed or short
    return {
        "id": fetching.id,
        "state": state,
        "status": status,
        "expected": fetching.expected,
        "arrived": fetching.arrived,
        "missing": list(fetching.missing),
        "attempts": fetching.attempts,
        "error": None if error is None else str(error),
        "result": result_url(root, *fetching.refs[:1]),
    }


def failure(fetching: Fetching) -> HilumError | None:
    """Why nothing can be given, of one that has ended."""
    if fetching.error is not None:
        return fetching.error
    return NotFound(NOTHING) if fetching.expected == 0 else None


def shortfall(fetching: Fetching) -> Incomplete | None:
    """What is missing of one that has ended, and of which the rest can be given."""
    count = len(fetching.missing)
    if fetching.expected is not None:
        count = max(count, fetching.expected - fetching.arrived)
    if fetching.error is not None or not count:
        return None
    return Incomplete("not all instances could be retrieved", fetching.missing, count)


def retry_after(mount: Mount) -> str:
    """The value of Retry-After: whole seconds (RFC 9110 §10.2.3)."""
    return str(ceil(mount.retry_after))


def job_url(root: str, name: str) -> str:
    """The status resource."""
    return f"{root}/jobs/{name}"


def result_url(root: str, ref: Ref = Ref()) -> str:  # noqa: B008 - a frozen value
    """Where the instances themselves are to be had."""
    levels = (("studies", ref.study), ("series", ref.series), ("instances", ref.instance))
    return root + "".join(f"/{name}/{uid}" for name, uid in levels if uid is not None)


def _link(url: str) -> str:
    """A link to the status of what was asked for (RFC 8631 §4)."""
    return f'<{url}>; rel="status"; type="{JSON}"'


def _respond_async(request: Request) -> bool:
    """Whether the client prefers not to wait (RFC 7240 §4.1)."""
    said = request.headers.getlist("prefer")
    if not said:
        return False
    preferences = ",".join(said).split(",")
    names = (each.partition(";")[0].partition("=")[0].strip().lower() for each in preferences)
    return "respond-async" in names


def fetches_of(asked: Asked) -> Fetches:
    """What knows the jobs of a mount.

    Raises:
        NotFound: it has none.
    """
    if asked.broker.mounts[asked.mount].fetches is None:
        raise NotFound("no such job")
    return asked.broker.fetches(asked.operation(Retrieve, refs=()))
