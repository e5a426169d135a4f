"""A browser logs in at a real provider, by a code; then a session opens what the token grants."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from tests import peers
from tests.e2e.test_issued import ARCHIVE, configuration
from tests.net.openid import Provider, provider

AUTH = """[auth]
enabled = true
[auth.token]
discovery = "{issuer}"
audience = "urn:hilum"
[auth.browser]
client_id = "browsers"
scopes = ["openid", "hilum:query"]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[peers.Hilum, Provider]]:
    folder = tmp_path_factory.mktemp("login")
    port = peers.free_port()
    with provider(folder, back=f"http://127.0.0.1:{port}/login/code") as there:
        text = configuration(folder, ARCHIVE, AUTH.format(issuer=there.issuer), http=port)
        with peers.hilum(folder, text) as here:
            yield here, there


@contextmanager
def browser(here: peers.Hilum) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=here.root, timeout=60, trust_env=False) as client:
        yield client


def gone(client: httpx.Client, url: str, until: str) -> httpx.Response:
    """The answer that leads to a place, as far as it is followed."""
    for _ in range(20):
        answer = client.get(url)
        assert answer.status_code in {302, 303}, answer.text
        url = str(answer.url.join(answer.headers["location"]))
        if until in url:
            return answer
    raise AssertionError(url)


def test_who_logs_in_at_the_provider_comes_back_with_a_session(
    place: tuple[peers.Hilum, Provider],
) -> None:
    here, there = place
    with browser(here) as client:
        page = client.get("/login", headers={"Accept": "text/html"})
        assert '<p ><a class="button main" href="login/provider?next=' in page.text
        back = gone(client, "/login/provider?next=/%23/ARCHIVE", "/login/code")
        assert str(back.url).startswith(there.issuer)
        ended = client.get(back.headers["location"])
        assert (ended.status_code, ended.headers["location"]) == (303, "/#/ARCHIVE")
        assert client.get("/login").json() == {"logins": True, "name": "anna"}
        assert client.get("/dicomweb/studies").status_code in {200, 204}
        assert client.get("/dicomweb/studies/1.2.3").status_code == 403
        again = client.get(back.headers["location"])  # a code is good once
        assert again.status_code == 401


def test_a_code_is_good_only_where_it_was_asked_for(place: tuple[peers.Hilum, Provider]) -> None:
    here, _ = place
    with browser(here) as victim, browser(here) as attacker:
        code = gone(attacker, "/login/provider", "/login/code").headers["location"]
        for _ in range(2):  # without a login that was begun, and within one
            refused = victim.get(code)
            assert refused.status_code == 401
            assert "did not begin" in refused.text
            assert "set-cookie" not in refused.headers
            gone(victim, "/login/provider", "/login/code")
        port = here.root.rpartition(":")[2]
        for shown in ("x", "bm9uc2Vuc2U", "WzEsMl0", "W10", "ä"):
            cookie = {"Cookie": f"hilum-{port}-begun={shown}".encode()}
            assert httpx.get(here.root + "/login/code", headers=cookie).status_code == 401


def test_who_is_refused_there_is_told(place: tuple[peers.Hilum, Provider]) -> None:
    here, _ = place
    with browser(here) as client:
        begun = client.get("/login/provider")
        state = httpx.URL(begun.headers["location"]).params["state"]
        said = {"state": state, "error": "access_denied"}
        refused = client.get("/login/code", params=said)
        assert refused.status_code == 401
        assert "has not let this browser in" in refused.text
        made_up = client.get("/login/code", params={"state": state, "code": "x"})
        assert made_up.status_code == 401
        assert "does not take its own code back" in made_up.text
