import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from hilum.config.mounts import (
    AnyMount,
    ArchiveMount,
    Cache,
    DicomwebMount,
    DimseMount,
    Endpoints,
    FhirMount,
    Remote,
    UrlDestination,
)

URL = "https://images.example.org/rs"
HUSH = SecretStr("hush")


class Mounts(BaseModel):
    mounts: dict[str, AnyMount]


def mount(**values: object) -> AnyMount:
    return Mounts.model_validate({"mounts": {"A": values}}).mounts["A"]


def problems(**values: object) -> str:
    with pytest.raises(ValidationError) as caught:
        mount(**values)
    return str(caught.value)


def test_a_mount_is_of_the_kind_that_its_backend_says() -> None:
    assert mount() == ArchiveMount()
    assert mount(backend="archive") == ArchiveMount()
    assert isinstance(mount(backend="dicomweb", url=URL), DicomwebMount)
    pacs = mount(backend="dimse", aet="PACS", host="pacs", port=104)
    assert pacs == DimseMount(backend="dimse", aet="PACS", host="pacs", port=104)


def test_a_mount_that_is_made_already_is_taken_as_it_is() -> None:
    made = DicomwebMount(backend="dicomweb", url=URL)
    assert Mounts(mounts={"A": made, "B": ArchiveMount()}).mounts == {
        "A": made,
        "B": ArchiveMount(),
    }


@pytest.mark.parametrize("backend", ["pacs", "", 3, None])
def test_a_backend_that_there_is_not_is_refused(backend: object) -> None:
    assert "'archive', 'dimse', 'dicomweb', 'fhir'" in problems(backend=backend)


def test_a_pacs_needs_title_host_and_port() -> None:
    text = problems(backend="dimse")
    assert all(f"mounts.A.dimse.{key}" in text for key in ("aet", "host", "port"))


def test_the_tables_of_a_mount_have_defaults_of_their_own() -> None:
    pacs = mount(backend="dimse", aet="PACS", host="pacs", port=104, pool={"size": 2})
    assert isinstance(pacs, DimseMount)
    assert (pacs.pool.size, pacs.pool.timeout) == (2, 10.0)
    assert not pacs.cache.is_on


def test_a_cache_is_on_when_it_has_a_bound() -> None:
    assert not Cache().is_on
    assert Cache(max_size=1).is_on
    assert Cache(max_age=1.0).is_on


@pytest.mark.parametrize(
    ("remote", "spooled"),
    [
        (Remote(), False),
        (Remote(spool=True), True),
        (Remote(cache=Cache(max_size=1)), True),
        (Remote(wait="retry_after"), True),
        (Remote(wait="job"), True),
    ],
)
def test_what_is_kept_or_waited_for_goes_through_files(remote: Remote, spooled: bool) -> None:  # noqa: FBT001 - a table of cases
    assert remote.is_spooled is spooled


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"username": "me"}, "password: is missing"),
        ({"password": HUSH}, "username: is missing"),
        ({"username": "me", "password": HUSH, "bearer": HUSH}, "bearer: does not go with"),
        ({"bearer": HUSH, "headers": {"Authorization": HUSH}}, "headers.Authorization: does not"),
    ],
)
def test_there_is_one_way_to_log_in(values: dict[str, object], told: str) -> None:
    text = problems(backend="dicomweb", url=URL, **values)
    assert told in text
    assert "hush" not in text
    with pytest.raises(ValidationError, match=told):
        UrlDestination.model_validate({"url": URL, **values})


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"username": "me", "password": HUSH},
        {"username": "key", "password": SecretStr("")},
        {"bearer": HUSH},
        {"headers": {"Authorization": HUSH}},
        {"bearer": HUSH, "headers": {"X-Api-Key": HUSH}},
    ],
)
def test_a_login_that_is_whole_is_taken_and_not_shown(values: dict[str, object]) -> None:
    made = mount(backend="dicomweb", url=URL, **values)
    assert "hush" not in repr(made)


def test_a_fhir_server_names_the_hosts_that_its_endpoints_may_lead_to() -> None:
    made = mount(
        backend="fhir",
        url="https://fhir.example.org/r4",
        endpoints={"hosts": ["https://A.example"]},
    )
    assert isinstance(made, FhirMount)
    assert made.endpoints == Endpoints(hosts=("https://a.example",))
    url = {"backend": "fhir", "url": URL}
    assert "name each server" in problems(**url, endpoints={"hosts": ["*"]})
    assert "does not go with" in problems(**url, bearer="a", forward_token=True)
