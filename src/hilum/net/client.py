"""How is another web server asked? One factory of clients for all DICOMweb backends."""

import asyncio
import logging
import random
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpcore
import httpx

import hilum
from hilum.config.mounts import Web
from hilum.core import correlation
from hilum.model.errors import (
    BackendFault,
    Forbidden,
    HilumError,
    OutOfResources,
    Unauthenticated,
)
from hilum.net.access import headers_of, origin_of, referred
from hilum.net.answer import Answer
from hilum.net.credentials import Credentials, open_credentials
from hilum.net.refused import AGAIN, FOREIGN, refused, retry_after, unanswered, unsent, untrusted
from hilum.net.transport import BODY, Body, Transport, proxy_of

MAX_WAIT: Final = 30.0
"""Seconds that a Retry-After is waited for; who is told to wait longer is told to come again."""
_REDIRECTS = 5
_SHORT = 64 * 1024  # bytes of a body that nobody wants, but is read to keep the connection
_REST = 0.5  # seconds that this may take
_UNAUTHORIZED = 401
_CALLERS: Final[Mapping[int, tuple[type[HilumError], str]]] = {
    401: (Unauthenticated, "{who} does not take the token that was passed on"),
    403: (Forbidden, "{who} does not let who holds the token do this"),
}
_MOVED = frozenset({301, 302, 303, 307, 308})

# They log whole URLs, in which names of patients stand as keys, and headers.
for _name in ("httpx", "httpcore", "hpack", "h2"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(slots=True)
class Accepts:
    """What to ask for, the best first; remembers what the server took.

    Attributes:
        kinds: values of Accept.
        on: statuses by which servers say that they do not like the one they got.
        gzip: whether the body may come compressed.
    """

    kinds: Sequence[str]
    on: frozenset[int] = frozenset({406, 415})
    gzip: bool = False
    liked: int = 0

    def order(self) -> list[int]:
        """Which to try, in what order."""
        return [self.liked, *(each for each in range(len(self.kinds)) if each != self.liked)]


@dataclass(slots=True)
class Client:
    """A web server, as it is asked.

    Attributes:
        root: its URL, without a slash at its end.
        who: the server, for texts.
        timeout: seconds that it may be silent.
        origins: scheme, host and port of all that may be asked, and gets our credentials.
        credentials: give those.
    """

    root: str
    who: str
    timeout: float
    web: Web
    origins: frozenset[tuple[str, str, int]]
    credentials: Credentials
    _http: httpx.AsyncClient

    def knows(self, url: str) -> bool:
        """Whether this URL may be asked; what is none may not."""
        try:
            return origin_of(url) in self.origins and bool(httpx.URL(url))
        except (httpx.InvalidURL, ValueError):
            return False

    def refused(self, status: int) -> HilumError:
        """What a status of 300 and more says; where the caller's own token was refused, of him."""
        if self.credentials.callers and status in _CALLERS:
            what, said = _CALLERS[status]
            return what(said.format(who=self.who))
        return refused(status, self.who)

    @asynccontextmanager
    async def get(
        self,
        url: str,
        accepts: Accepts,
        *,
        expected: frozenset[int] = frozenset(),
        retries: int | None = None,
        method: str = "GET",
    ) -> AsyncIterator[Answer]:
        """The answer to a request that changes nothing; it is tried again where that may help.

        Leaving the block before the body has ended closes the connection.

        Args:
            url: what to ask; other servers than ours are not.
            accepts: what to ask for.
            expected: statuses that are answers and not errors, besides those below 300.
            retries: how often to try again; by default as configured.
            method: GET or HEAD.

        Raises:
            NotFound, NotOffered, TooLarge, OutOfResources, BackendError: see `net.refused`.
        """
        again = self.web.retries if retries is None else retries
        headers = {"Accept-Encoding": "gzip" if accepts.gzip else "identity"}
        order = accepts.order()
        for index in order:
            headers["Accept"] = accepts.kinds[index]
            async with self._followed(method, url, headers, again) as answer:
                if answer.status in accepts.on and index != order[-1]:
                    continue
                if answer.status >= 300 and answer.status not in expected:  # noqa: PLR2004 - no success
                    raise self.refused(answer.status)
                if answer.status < 300:  # noqa: PLR2004 - success
                    accepts.liked = index
                yield answer
                return

    @asynccontextmanager
    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes | AsyncIterator[bytes],
        *,
        retries: int | None = None,
        method: str = "POST",
    ) -> AsyncIterator[Answer]:
        """The answer to a request that changes something, whatever its status.

        Tried again only where nothing was sent, as nobody took the connection.

        Args:
            url: where to; other servers than ours are not asked.
            headers: of the request.
            body: of the request, read once.
            retries: how often to try again; by default as configured.
            method: POST or DELETE.

        Raises:
            OutOfResources, BackendError: there is no answer; and what reading `body` raises.
        """
        again = self.web.retries if retries is None else retries
        given = {"Accept-Encoding": "identity", **headers}
        async with self._sent(method, url, given, again, body) as answer:
            yield answer

    @asynccontextmanager
    async def _followed(
        self, method: str, url: str, headers: Mapping[str, str], retries: int
    ) -> AsyncIterator[Answer]:
        """The answer at the end of redirections, as long as they stay with our servers."""
        for _ in range(_REDIRECTS):
            async with self._sent(method, url, headers, retries) as answer:
                location = answer.headers.get("location", "")
                target = referred(url, location)
                if answer.status not in _MOVED or not location or not self.knows(target):
                    yield answer
                    return
            url = target
        raise BackendFault(f"{self.who} sends us in a circle: check its URL")

    @asynccontextmanager
    async def _sent(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        retries: int,
        body: bytes | AsyncIterator[bytes] | None = None,
    ) -> AsyncIterator[Answer]:
        if not self.knows(url):
            raise BackendFault(f"{self.who} refers to another server")
        for attempt in range(retries + 1):
            left = attempt < retries
            wait: float | None = None
            try:
                response = await self._response(method, url, headers, body)
            except FOREIGN as error:
                if not left or not _may_again(error, safe=body is None):
                    raise unanswered(error, self.who) from error
            else:
                try:
                    if not left or body is not None or response.status_code not in AGAIN:
                        yield Answer(response, url, self.who, headers.get("Accept", ""))
                        return
                    wait = retry_after(response.headers.get("retry-after", ""))
                finally:
                    await _leave(response)
            if wait is not None and wait > MAX_WAIT:
                raise OutOfResources(f"{self.who} is busy and says to come again much later")
            await asyncio.sleep(self._backoff(attempt) if wait is None else wait)

    async def _response(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | AsyncIterator[bytes] | None,
    ) -> httpx.Response:
        """What is answered; the second time, where new credentials helped against a 401.

        Raises:
            BackendFault: it is a redirection to what is no URL.
        """
        ours = await self.credentials.authorization()
        request = self._request(method, url, headers, body, ours)
        try:
            response = await self._http.send(request, stream=True)
        except httpx.RemoteProtocolError as error:  # httpx reads it, though it shall not follow
            raise BackendFault(f"{self.who} sends us to what is no URL") from error
        if response.status_code != _UNAUTHORIZED:
            return response
        try:
            renewed = await self.credentials.renewed(ours)
        except BaseException:
            await _leave(response)
            raise
        if not renewed or isinstance(body, AsyncIterator):  # which is read once
            return response
        await _leave(response)
        ours = await self.credentials.authorization()
        return await self._http.send(self._request(method, url, headers, body, ours), stream=True)

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | AsyncIterator[bytes] | None,
        ours: str | None,
    ) -> httpx.Request:
        said = {**headers, **correlation.now().headers()}
        if ours is not None:
            said["Authorization"] = ours
        request = self._http.build_request(method, url, headers=said, content=body)
        if isinstance(body, AsyncIterator):
            request.stream = _Source(body)
        return request

    def _backoff(self, attempt: int) -> float:
        spread: float = random.uniform(0.75, 1.25)  # noqa: S311 - no secret: so that not all come at once
        return float(min(self.web.backoff * 2**attempt, MAX_WAIT)) * spread


async def _leave(response: httpx.Response) -> None:
    """Leave an answer, wherever its reader stands."""
    body: Body = response.extensions[BODY]
    if _is_short(response):
        with suppress(*FOREIGN, TimeoutError, StopAsyncIteration):
            async with asyncio.timeout(_REST):
                while not body.ended:
                    await anext(body)
    await body.aclose()


class _Source(httpx.AsyncByteStream):
    """A body that is read from its own generator, and not from one around it that nobody ends."""

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._body


def _is_short(response: httpx.Response) -> bool:
    """Whether the rest of the body is read sooner than a new connection is made."""
    length = response.headers.get("content-length", "")
    bodiless = response.status_code in {204, 304} or response.request.method == "HEAD"
    return bodiless or (length.isdecimal() and int(length) <= _SHORT)


def _may_again(error: Exception, *, safe: bool) -> bool:
    if untrusted(error) or isinstance(error, httpcore.PoolTimeout | httpcore.LocalProtocolError):
        return False
    return unsent(error) or (safe and not isinstance(error, httpcore.TimeoutException))


@asynccontextmanager
async def open_client(  # noqa: PLR0913 - a server has that many sides
    web: Web,
    root: str,
    context: ssl.SSLContext,
    *,
    who: str,
    timeout: float,  # noqa: ASYNC109 - of each request, not of this
    also: Iterable[str] = (),
    credentials: Credentials | None = None,
) -> AsyncIterator[Client]:
    """A client until the block is left; it opens no connection before it is asked.

    Args:
        web: how the server is spoken to.
        root: its URL.
        context: see `tls`.
        who: the server, for texts: "the origin server of mounts.CLOUD".
        timeout: seconds that it may be silent.
        also: URLs on other servers that may be asked too.
        credentials: what Authorization says, where several clients share it; else by `web`.
    """
    given = {"User-Agent": f"hilum/{hilum.__version__}", **headers_of(web)}
    timeouts = httpx.Timeout(timeout, connect=web.connect_timeout)
    proxy = web.proxy or proxy_of(root)

    transport = Transport(
        context, max_connections=web.max_connections, http2=web.http2, proxy=proxy
    )
    async with (
        httpx.AsyncClient(
            transport=transport,
            headers=given,
            timeout=timeouts,
            trust_env=False,
            # What one request was given says nothing in another, perhaps of somebody else.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        ) as http,
        AsyncExitStack() as stack,
    ):
        if credentials is None:
            credentials = await stack.enter_async_context(open_credentials(web))
        origins = frozenset(origin_of(each) for each in (root, *also))
        yield Client(root.rstrip("/"), who, timeout, web, origins, credentials, http)
