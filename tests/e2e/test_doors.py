"""Every door: each HTTP route and DIMSE service, with every kind of caller, plain and by TLS."""

import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pynetdicom.pdu_primitives import UserIdentityNegotiation
from tests import peers
from tests.contract.made import uid
from tests.e2e.recorded import events
from tests.e2e.visitors import (
    AUDIENCE,
    ISSUER,
    NOT_AUTHORIZED,
    RIGHTS,
    Issuer,
    Own,
    Place,
    Service,
    called,
    file,
    identity,
    refusal,
    web_token,
)

from hilum.frontends.admin.resources import RESOURCES as ADMINISTRATORS
from hilum.frontends.dicomweb.resources import MOUNTS, OF_A_MOUNT, OF_THE_SERVICE, Resource
from hilum.frontends.dicomweb.who import ANY, NOT_LOOKED_AT
from hilum.frontends.fhir.resources import OF_FHIR, ROOTS

REJECTED = (1, 2, 1)  # permanent, by the service provider (ACSE), no reason given
BAD = (
    *("anonymous", "no token", "wrong token", "expired", "wrong audience", "wrong issuer"),
    "without an end",
)
SERVICES = (
    Service("C-ECHO", "echo", "GET", "/aets/ARCHIVE"),
    Service("C-FIND", "query", "GET", "/aets/ARCHIVE/studies", {"StudyInstanceUID": uid(1)}),
    Service("C-GET", "retrieve", "GET", f"/aets/ARCHIVE/studies/{uid(1)}"),
    Service(
        "C-MOVE",
        "send",
        "POST",
        f"/aets/ARCHIVE/studies/{uid(1)}/series/send-requests/2.25.{time.time_ns()}",
        {"destination": "SINK"},
    ),
    Service("C-STORE", "store", "POST", "/aets/ARCHIVE/studies", content=file()),
)
LOGIN = ("/login", "/login/provider", "/login/code", "/logout")
"""What gives and takes a session; see below."""
PLACES = {
    "mount": "{name}",
    "study": uid(1),
    "series": uid(1, 1),
    "instance": uid(1, 1, 1),
    "path:path": "7FE00010",
    "frames": "1",
    "job": "0" * 32,
    "transaction": "2.25.17",
    "file": "page.js",
    "id": uid(1),
}


@contextmanager
def opened(
    folder: Path, issuer: Issuer, more: str = "", *, tls: bool, http: str = ""
) -> Iterator[Place]:
    folder.mkdir(parents=True, exist_ok=True)
    certificate, port = None, None
    if tls:
        made = peers.command("cert", "self-signed", "--folder", folder, "--host", peers.HOST)
        assert made.returncode == 0, made.stdout
        certificate, port, http = folder / "cert.pem", peers.free_port(), f"{http}tls = true"
        more += f'[tls]\ncertificate = "{certificate}"\nkey = "{folder / "key.pem"}"\n'
    config = peers.configuration(
        peers={"TOOL": 104, "SINK": peers.free_port()},
        dimse="" if port is None else f"tls_port = {port}",
        http=http,
        archive="delete = true",
        more=(
            f"[admin]\nenabled = true\nport = 0\ntls = {str(tls).lower()}\n"
            '[mounts.OTHER]\nbackend = "archive"\n'
            "[auth]\nenabled = true\n[auth.token]\n"
            f'public_key = "{issuer.public(folder)}"\nissuer = "{ISSUER}"\n'
            f'audience = "{AUDIENCE}"\nalgorithms = ["ES256"]\nleeway = 0\n'
            '[peers.MODALITY]\naet = "MODALITY"\nhost = "127.0.0.1"\nport = 104\nauth = "ae"\n'
            '[peers.STATION]\naet = "STATION"\nhost = "127.0.0.1"\nport = 104\n'
            'auth = "password"\nusername = "hans"\npassword = { env = "PASSCODE" }\n'
            'may = ["echo", "query"]\nmounts = ["ARCHIVE"]\n'
            '[peers.NAMED]\naet = "NAMED"\nhost = "127.0.0.1"\nport = 104\n'
            'auth = "password"\nusername = "eva"\n'
            '[auth.rules.clerks]\nmay = "query"\nclaims = { "realm_access.roles" = ["clerk"] }\n'
            + more
        ),
    )
    with peers.hilum(folder / "hilum", config, env={"PASSCODE": "geheim"}) as hilum:
        place = Place(hilum, issuer, certificate, port or hilum.port)
        with place.client(issuer.token("store")) as client:
            for mount in ("ARCHIVE", "OTHER"):
                stored = client.post(
                    f"/aets/{mount}/studies",
                    content=file(),
                    headers={"Content-Type": "application/dicom"},
                )
                assert stored.status_code == 200, stored.text
        yield place
    refused = re.findall(r"access: .*: 40[13], |: rejected: |authorising: A", hilum.said)
    recorded = events(hilum.data)
    kinds = ("login", "node authentication", "use of restricted function")
    assert sum(recorded.get(each, 0) for each in kinds) >= len(refused)


@pytest.fixture(scope="module", params=["plain", "tls"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("doors")
    with opened(folder, Issuer(), tls=request.param == "tls") as found:
        yield found


def routes() -> Iterator[tuple[str, str, Resource]]:
    """Method, path and resource of all that is served."""
    every = [(each.path, each) for each in OF_THE_SERVICE]
    every += [(mount + each.path, each) for mount in MOUNTS for each in OF_A_MOUNT]
    every += [(root + each.path, each) for root in ROOTS for each in OF_FHIR]
    for pattern, resource in every:
        path = pattern.replace("{aet}", "ARCHIVE")
        if pattern in LOGIN:
            continue
        for name, value in PLACES.items():
            path = path.replace(f"{{{name}}}", value)
        assert "{" not in path, path
        for method in resource.methods:
            if method == "DELETE":  # what is not there
                yield method, path.replace(uid(1), uid(9)), resource
            else:
                yield method, path, resource
            if method == "GET":
                yield "HEAD", path, resource


def asked(client: httpx.Client, method: str, path: str, token: str | None = None) -> httpx.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    if method == "POST":
        headers["Content-Type"] = "application/dicom"
    return client.request(method, path, headers=headers, params={"destination": "SINK"})


def needs(method: str, resource: Resource) -> frozenset[str]:
    found = resource.needs["GET" if method == "HEAD" else method]
    return frozenset(str(each) for each in found)


def test_every_route_says_what_it_needs() -> None:
    for resource in (*OF_THE_SERVICE, *OF_A_MOUNT, *OF_FHIR):
        assert resource.needs.keys() == resource.methods.keys()
    are_open = {each.path for each in OF_THE_SERVICE if NOT_LOOKED_AT in each.needs.values()}
    assert are_open == {
        *("/", "/ui/{file}", "/livez", "/readyz", "/viewer", "/viewer/{path:path}"),
        *("/openapi.yaml", "/openapi.json", *LOGIN),
    }
    below = (*OF_A_MOUNT, *OF_FHIR)
    assert not [each for each in below if NOT_LOOKED_AT in each.needs.values()]


@pytest.mark.parametrize("why", BAD)
def test_no_route_lets_in_who_shows_nothing_good(place: Place, why: str) -> None:
    token = place.bad()[why]
    wrong: list[tuple[str, str, int]] = []
    with place.client(token) as client:
        for method, path, resource in routes():
            answer = asked(client, method, path)
            is_refused = answer.status_code == 401
            if is_refused is not bool(needs(method, resource)) or answer.status_code >= 500:
                wrong.append((method, path, answer.status_code))
            if is_refused:
                assert ("fhir" in path) is ("fhir" in answer.headers["Content-Type"])
                bearer = "Bearer" if token is None else 'Bearer error="invalid_token"'
                assert answer.headers["WWW-Authenticate"] == bearer
        for mount in ("ARCHIVE", "NONESUCH"):
            assert client.options(f"/aets/{mount}/studies").status_code == 401
    assert not wrong


def test_no_route_lets_in_who_lacks_the_scope(place: Place) -> None:
    wrong: list[tuple[str, str, int]] = []
    with place.client() as client:
        for method, path, resource in routes():
            wanted = needs(method, resource)
            others = [each for each in RIGHTS if each not in wanted]
            answer = asked(client, method, path, place.issuer.token(*others))
            assert answer.status_code != 403 or ("/fhir" in path) is (
                "fhir" in answer.headers["Content-Type"]
            )
            if (answer.status_code == 403) is not bool(wanted) or answer.status_code >= 500:
                wrong.append((method, path, answer.status_code))
    assert not wrong


def test_every_route_lets_in_who_has_the_scope_at_that_mount(place: Place) -> None:
    wrong: list[tuple[str, str, int]] = []
    with place.client() as client:
        for method, path, resource in routes():
            wanted = sorted(needs(method, resource))[:1]
            token = place.issuer.token(*(f"{each}:ARCHIVE" for each in wanted))
            answer = asked(client, method, path, token)
            if answer.status_code in {401, 403} or answer.status_code >= 500:
                wrong.append((method, path, answer.status_code))
    assert not wrong


def test_a_scope_at_one_mount_is_none_at_another(place: Place) -> None:
    with place.client(place.issuer.token(*(f"{each}:OTHER" for each in RIGHTS))) as client:
        for method, path, resource in routes():
            if path.startswith(("/aets/ARCHIVE", "/dicomweb", "/fhir")):
                assert asked(client, method, path).status_code == 403, (method, path, resource)
        assert client.options("/aets/ARCHIVE/studies").status_code == 403
        assert client.options("/aets/OTHER/studies").status_code == 200
        assert client.get("/aets/NONESUCH/studies").status_code == 403


def test_every_route_of_administrators_decides_the_same_way(place: Place) -> None:
    token, root = place.issuer.token, place.admin
    callers = {
        **{why: (each, 401) for why, each in place.bad().items()},
        "without scope": (token(*(each for each in RIGHTS if each != "admin")), 403),
        "of one mount": (token("admin:ARCHIVE"), 403),
        "with scope": (token("admin"), None),
    }
    wrong: list[tuple[str, str, str, int]] = []
    for name, (shown, expected) in callers.items():
        with place.client(shown, root) as client:
            for resource in ADMINISTRATORS:
                if resource.path in LOGIN:
                    continue
                for method in resource.methods:
                    path = re.sub(r"\{[^}]*\}", "x", resource.path)
                    status = client.request(method, path, headers={"Origin": root}).status_code
                    refused = expected if needs(method, resource) else None
                    is_right = status == refused if refused else status not in {401, 403}
                    if not is_right or status >= 500:
                        wrong.append((name, method, path, status))
    assert not wrong


def word(status: int) -> str:
    return {401: "no login", 403: "not allowed"}.get(status, "let in")


def test_dimse_and_http_give_the_same_verdicts(place: Place) -> None:
    for service in SERVICES:
        others = [each for each in RIGHTS if each != service.needs]
        callers = {
            **place.bad(),
            "without scope": place.issuer.token(*others),
            "of another mount": place.issuer.token(f"{service.needs}:OTHER"),
            "with scope": place.issuer.token(service.needs),
            "with scope here": place.issuer.token(f"{service.needs}:ARCHIVE"),
        }
        for name, token in callers.items():
            with place.client(token) as client:
                by_http = word(service.http(client).status_code)
            with place.called(web_token(token), title="ARCHIVE") as association:
                by_dimse = "no login"
                if association.is_established:
                    status = service.dimse(association)
                    by_dimse = "not allowed" if status == NOT_AUTHORIZED else "let in"
                else:
                    assert refusal(association) == REJECTED, (service.name, name)
            good = {"with": "let in", "without": "not allowed", "of": "not allowed"}
            first = name.partition(" ")[0]
            expected = "no login" if name in BAD else good[first]
            assert (by_http, by_dimse) == (expected, expected), (service.name, name)


def test_who_sends_to_a_mount_must_be_allowed_to_store_there(place: Place) -> None:
    move = Service("C-MOVE", "send", "POST", "", {"destination": "OTHER"})
    for scopes, is_allowed in (
        (("send",), False),
        (("send", "store:ARCHIVE"), False),
        (("send:ARCHIVE", "store:OTHER"), True),
    ):
        token = place.issuer.token(*scopes)
        move.path = f"/aets/ARCHIVE/studies/{uid(1)}/series/send-requests/2.25.{time.time_ns()}"
        with place.client(token) as client:
            assert move.http(client).status_code == (202 if is_allowed else 403)
        with place.called(web_token(token), title="ARCHIVE") as association:
            assert move.dimse(association) == (0 if is_allowed else NOT_AUTHORIZED)


def test_a_send_goes_on_for_who_asked_and_is_told_to_nobody_else(place: Place) -> None:
    send = next(each for each in SERVICES if each.name == "C-MOVE")
    path = f"/aets/ARCHIVE/studies/{uid(1)}/series/send-requests/2.25.{time.time_ns()}"
    soon = int(time.time()) + 20  # by when a busy machine has asked
    with place.client(place.issuer.token("send", exp=soon)) as client:
        begun = client.post(path, params=dict(send.parameters))
        assert begun.status_code == 202
    with place.client(place.issuer.token("send", sub="bob")) as client:
        assert client.get(path).status_code == 403
        assert client.delete(path).status_code == 403
    for token in (place.issuer.token("send"), place.issuer.token("send", "admin", sub="bob")):
        with place.client(token) as client:
            assert client.get(path).status_code == 200


def test_lists_show_what_the_caller_may(place: Place) -> None:
    with place.client(place.issuer.token("echo:OTHER", "query:ARCHIVE")) as client:
        assert {each["aet"] for each in client.get("/aets").json()} == {"ARCHIVE", "OTHER"}
        assert client.get("/health").json()["mounts"].keys() == {"OTHER"}
    with place.client(place.issuer.token("query:ARCHIVE")) as client:
        assert [each["aet"] for each in client.get("/aets").json()] == ["ARCHIVE"]
        assert client.get("/readyz?verbose").json()["mounts"] == {}
        assert "OTHER" not in client.get("/", headers={"Accept": "text/plain"}).text
    with place.client() as client:
        ready = client.get("/readyz?verbose")
        assert (ready.status_code, ready.json()["mounts"]) == (200, {})
        assert "ARCHIVE" not in client.get("/", headers={"Accept": "text/plain"}).text


def test_what_was_made_for_one_is_not_given_to_another(place: Place) -> None:
    below = f"/aets/ARCHIVE/studies/{uid(1)}"
    instance = f"{below}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}"
    for path in (f"{below}/metadata", f"{instance}/rendered", f"{instance}/thumbnail"):
        with place.client(place.issuer.token("retrieve")) as client:
            given = client.get(path)
            assert given.status_code == 200, given.text
            tag = {"If-None-Match": given.headers["ETag"]}
            assert client.get(path, headers=tag).status_code == 304
        for token, status in ((None, 401), (place.issuer.token("query"), 403)):
            with place.client(token) as client:
                assert client.get(path).status_code == status
                assert client.get(path, headers=tag).status_code == status


def named(place: Place) -> str:
    """The name of the cookie."""
    port = place.hilum.root.rpartition(":")[2]
    return f"hilum-{port}" if place.tls is None else f"__Host-hilum-{port}"


@contextmanager
def logged_in(place: Place, token: str) -> Iterator[httpx.Client]:
    """A browser that has logged in, and shows its cookie from our own page."""
    with place.client() as client:
        begun = client.post("/login", headers={"Authorization": f"Bearer {token}"})
        assert begun.status_code == 204, begun.text
        assert token not in str(begun.headers)
        client.headers["Origin"] = place.hilum.root
        yield client


def test_nobody_logs_in_who_shows_nothing_good(place: Place) -> None:
    with place.client() as client:
        client.headers["Origin"] = place.hilum.root
        for why, token in place.bad().items():
            answers = [client.post("/login", data={"token": token or ""})]
            if token is not None:
                shown = {"Authorization": f"Bearer {token}"}
                answers.append(client.post("/login", headers=shown))
            for answer in answers:
                assert answer.status_code == 401, why
                assert "set-cookie" not in answer.headers
                assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_session_opens_what_its_token_opens(place: Place) -> None:
    wrong: list[tuple[str, str, int]] = []
    rights = ("query", "retrieve", "store")
    with logged_in(place, place.issuer.token(*rights)) as client:
        for method, path, resource in routes():
            answer = asked(client, method, path)
            wanted = needs(method, resource)
            is_refused = answer.status_code in {401, 403}
            if is_refused is bool(not wanted or wanted & {*rights}) or answer.status_code >= 500:
                wrong.append((method, path, answer.status_code))
        assert client.get("/login").json() == {"logins": True, "name": "ann"}
        secret = next(iter(client.cookies.jar)).value
        assert client.post("/logout").status_code == 303
    with place.client() as client:
        client.headers["Cookie"] = f"{named(place)}={secret}"
        assert client.get("/dicomweb/studies").status_code == 401
    assert not wrong


def test_a_token_in_the_url_is_none(place: Place) -> None:
    token = place.issuer.token(*RIGHTS)
    with place.client() as client:
        for name in ("access_token", "token"):
            answer = client.get("/dicomweb/studies", params={name: token})
            assert answer.status_code == 401


@pytest.mark.parametrize("credentials", ["Basic aGFuczpnZWhlaW0=", "Bearer", "Bearer a b", ""])
def test_other_credentials_are_none(place: Place, credentials: str) -> None:
    with place.client() as client:
        answer = client.get("/dicomweb/studies", headers={"Authorization": credentials})
        assert answer.status_code == 401


def test_two_credentials_are_none(place: Place) -> None:
    token = place.issuer.token(*RIGHTS)
    with place.client(token) as client:
        twice = [("Authorization", f"Bearer {token}")] * 2
        assert client.get("/dicomweb/studies", headers=twice).status_code == 401


def test_who_is_refused_is_told_before_anything_is_uploaded(place: Place) -> None:
    if place.tls is not None:
        pytest.skip("the same, and simpler to see without")
    port = int(place.hilum.root.rpartition(":")[2])
    with socket.create_connection((peers.HOST, port)) as connection:
        connection.sendall(
            b"POST /aets/ARCHIVE/studies HTTP/1.1\r\nHost: x\r\nContent-Type: application/dicom\r\n"
            b"Content-Length: 1000000000\r\n\r\nbegin"
        )
        connection.settimeout(10)
        assert connection.recv(100).startswith(b"HTTP/1.1 401 ")


def test_a_claim_gives_rights_by_a_rule(place: Place) -> None:
    clerk = place.issuer.token(realm_access={"roles": ["clerk"]})
    with place.client(clerk) as client:
        assert client.get("/dicomweb/studies").status_code == 200
        assert client.get(f"/dicomweb/studies/{uid(1)}").status_code == 403


def echo_of(association: object) -> int:
    return SERVICES[0].dimse(association)  # type: ignore[arg-type]


def test_a_peer_that_is_believed_needs_no_identity(place: Place) -> None:
    with place.called(calling="MODALITY") as association:
        assert [each.dimse(association) for each in SERVICES[:2]] == [0, 0]
    with place.called(identity(1, "somebody"), calling="MODALITY") as association:
        assert refusal(association) == REJECTED
    with place.called(web_token("x"), calling="MODALITY") as association:
        assert refusal(association) == REJECTED


@pytest.mark.parametrize(
    ("calling", "said", "is_let_in"),
    [
        ("STATION", identity(2, "hans", "geheim"), True),
        ("STATION", identity(2, "hans", "geheim "), True),  # padded to even length
        ("STATION", identity(2, "hans", "falsch"), False),
        ("STATION", identity(2, "eva", "geheim"), False),
        ("STATION", identity(1, "hans"), False),
        ("STATION", None, False),
        ("NAMED", identity(1, "eva"), True),
        ("NAMED", identity(1, "hans"), False),
        ("NAMED", identity(2, "eva", "geheim"), False),
        ("TOOL", identity(1, "hans"), False),
        ("TOOL", identity(2, "hans", "geheim"), False),
        ("STATION", identity(3, b"ticket"), False),
        ("STATION", identity(4, b"<assertion/>"), False),
        ("STATION", identity(5, b"\xff"), False),
    ],
)
def test_names_and_passcodes_are_for_those_who_are_configured(
    place: Place, calling: str, said: UserIdentityNegotiation | None, *, is_let_in: bool
) -> None:
    with place.called(said, calling=calling, title="ARCHIVE") as association:
        if not is_let_in:
            assert refusal(association) == REJECTED
            return
        assert echo_of(association) == 0
        statuses = [each.dimse(association) for each in SERVICES]
        is_station = calling == "STATION"
        assert statuses[:2] == [0, 0]
        assert (statuses[4] == NOT_AUTHORIZED) is is_station
        assert (statuses[2] == NOT_AUTHORIZED) is is_station
    with place.called(said, calling=calling, title="OTHER") as association:
        assert (echo_of(association) == NOT_AUTHORIZED) is (calling == "STATION")


@pytest.mark.parametrize("padding", [b"", b" ", b"\0"])
def test_a_token_may_be_padded_and_is_confirmed_where_that_is_wanted(
    place: Place, padding: bytes
) -> None:
    token = place.issuer.token("echo").encode() + padding
    with place.called(web_token(token, answer=True)) as association:
        assert echo_of(association) == 0
        confirmed = association.acceptor.user_identity
        assert confirmed is not None
        assert confirmed.server_response == b""
    with place.called(web_token(token)) as association:
        assert association.acceptor.user_identity is None


def test_a_token_that_expires_lets_nothing_more_be_done(place: Place) -> None:
    several = [SERVICES[0], SERVICES[1], SERVICES[4]]
    for seconds in (3, 30):  # the second on a machine that is too busy for the first
        ends = int(time.time()) + seconds
        token = place.issuer.token("echo", "query", "store", exp=ends)
        with place.called(web_token(token), title="ARCHIVE") as association:
            statuses = [each.dimse(association) for each in several]
            if time.time() >= ends:
                continue
            assert statuses == [0, 0, 0]
            time.sleep(ends + 0.1 - time.time())
            assert [each.dimse(association) for each in several] == [NOT_AUTHORIZED] * 3
            break
        assert association.is_established


def test_what_is_open_to_everybody_is_so_at_every_door(tmp_path: Path) -> None:
    with opened(tmp_path, Issuer(), tls=False) as place:
        config = place.hilum.config
        text = config.read_text().replace("[auth]\n", '[auth]\nanonymous = ["echo"]\n')
    with peers.hilum(tmp_path / "hilum", text, env={"PASSCODE": "geheim"}) as hilum:
        place = Place(hilum, place.issuer, None, hilum.port)
        with place.client() as client, place.called(title="ARCHIVE") as association:
            for service in SERVICES:
                echoes = service.needs == "echo"
                assert service.http(client).status_code == (200 if echoes else 401)
                assert (service.dimse(association) == NOT_AUTHORIZED) is not echoes
        with place.client("x") as client, place.called(web_token("x")) as association:
            assert SERVICES[0].http(client).status_code == 401
            assert refusal(association) == REJECTED


def test_a_client_certificate_says_who_it_is(tmp_path: Path) -> None:
    issuer, theirs = Issuer(), tmp_path / "theirs"
    names = ("--host", "ct1.example")
    made = peers.command("cert", "self-signed", "--folder", theirs, *names)
    assert made.returncode == 0, made.stdout
    own = Own(theirs / "cert.pem", theirs / "key.pem")
    rule = '[auth.rules.scanners]\nmay = ["echo", "store"]\ncertificates = "*CN=ct1.example*"\n'
    with opened(tmp_path / "ours", issuer, rule, tls=True) as place:
        text = place.hilum.config.read_text()
        text += f'client_ca = "{own.certificate}"\nclient_certificates = "optional"\n'
    with peers.hilum(tmp_path / "ours" / "hilum", text, env={"PASSCODE": "x"}) as hilum:
        place = Place(hilum, issuer, place.tls, place.port)
        with place.called(own=own) as association:
            assert association.is_established, hilum.said
            statuses = [each.dimse(association) for each in SERVICES]
            assert [status == NOT_AUTHORIZED for status in statuses] == [
                each.needs not in {"echo", "store"} for each in SERVICES
            ]
        with called(place.port, tls=place.tls) as association:
            assert refusal(association) == REJECTED
        with place.client() as client:
            assert SERVICES[0].http(client).status_code == 401
        verify = ssl.create_default_context(cafile=str(place.tls))
        verify.load_cert_chain(own.certificate, own.key)
        with httpx.Client(base_url=hilum.root, verify=verify) as client:
            for service in SERVICES:
                is_let_in = service.needs in {"echo", "store"}
                assert (service.http(client).status_code == 200) is is_let_in


def test_any_right_will_do_where_no_certain_one_is_needed() -> None:
    assert {each.path for each in OF_THE_SERVICE if ANY in each.needs.values()} == {"/aets"}
