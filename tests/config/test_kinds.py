from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from hilum.config import kinds
from hilum.config.kinds import ae_title


class One(BaseModel):
    """A setting of each kind that is not seen through the schema."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    url: kinds.Url | None = None
    root: kinds.RootUrl | None = None
    charset: kinds.Charset | None = None
    ca_file: kinds.Certificates | None = None
    titles: kinds.AeTitles = ()
    token: kinds.Token | None = None
    headers: kinds.Headers = {}


def problem(**values: object) -> str:
    with pytest.raises(ValidationError) as caught:
        One.model_validate(values)
    [error] = caught.value.errors()
    return error["msg"].removeprefix("Value error, ")


def made(**values: object) -> Any:
    [name] = values
    return getattr(One.model_validate(values), name)


@pytest.mark.parametrize("text", ["A", "HILUM", "PACS-1.x_y", "SIXTEEN_LETTERS_", "a b", "../X"])
def test_an_ae_title_is_up_to_sixteen_plain_characters(text: str) -> None:
    assert ae_title(text) == text


def test_the_blanks_around_an_ae_title_mean_nothing() -> None:
    assert ae_title("  HILUM ") == "HILUM"


@pytest.mark.parametrize(
    "text", ["", "   ", "SEVENTEEN_LETTERS", "A\\B", "A\nB", "A\tB", "KÖLN", "\x7f"]
)
def test_what_cannot_be_an_ae_title_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="AE title"):
        ae_title(text)


def test_an_ae_title_stands_in_a_list_once() -> None:
    assert made(titles=["A", "B"]) == ("A", "B")
    assert made(titles="A, B") == ("A", "B")
    assert problem(titles=["A", "B", " A"]) == "A stands there twice"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://a.example", "https://a.example"),
        ("http://127.0.0.1:8042/dicom-web/", "http://127.0.0.1:8042/dicom-web"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
    ],
)
def test_a_url_is_a_base_without_a_slash_at_its_end(text: str, expected: str) -> None:
    assert made(url=text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.example",
        "ftp://a.example",
        "https://",
        "http://:80",
        "http://a:0",
        "http://a:99999",
        "http://a:x",
        "http://[::1",
        "http://a/x?y",
        "http://a/x#y",
        "http://a/x y",
    ],
)
def test_what_is_no_base_url_is_refused(text: str) -> None:
    assert "not a base URL" in problem(url=text)


def test_a_password_does_not_stand_in_a_url() -> None:
    told = problem(url="https://me:hush@a.example")
    assert told == "a user and password do not stand in a URL"


@pytest.mark.parametrize("name", ["studies", "series", "instances"])
def test_a_root_ends_before_the_resources(name: str) -> None:
    assert f"/{name}" in problem(root=f"https://a.example/rs/{name}/")
    assert made(root="https://a.example/rs") == "https://a.example/rs"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ISO_IR 100", "ISO_IR 100"),
        ("ISO_IR 192", "ISO_IR 192"),
        ("GB18030", "GB18030"),
        ("\\ISO 2022 IR 87", "\\ISO 2022 IR 87"),
        ("ISO 2022 IR 6 \\ ISO 2022 IR 149", "ISO 2022 IR 6\\ISO 2022 IR 149"),
    ],
)
def test_a_character_set_is_written_as_in_a_data_set(text: str, expected: str) -> None:
    assert made(charset=text) == expected


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("iso_ir 100", "ISO_IR 100"),
        ("ISO-IR 192", "ISO_IR 192"),
        ("ISO_IR 6\\ISO 2022 IR 88", "ISO 2022 IR 87"),
        ("utf-8", None),
        ("", None),
    ],
)
def test_another_character_set_is_refused_with_the_nearest_one(text: str, hint: str | None) -> None:
    told = problem(charset=text)
    assert "Specific Character Set" in told
    assert hint is None or f'did you mean "{hint}"?' in told


def test_certificates_are_looked_at_when_the_configuration_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    assert problem(ca_file=path) == f"there is no file {path}"
    path.write_text("hello")
    assert problem(ca_file=path) == f"{path} holds no certificates (PEM)"
    trustme.CA().cert_pem.write_to_path(path)
    assert made(ca_file=str(path)) == path


@pytest.mark.parametrize("text", ["", "two\nlines", "line\r", " hush", "hush ", "schön"])
def test_a_token_that_no_header_can_hold_is_refused_without_being_shown(text: str) -> None:
    told = problem(token=SecretStr(text))
    assert told.startswith("cannot be sent")
    assert not text or text.strip() not in told


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"X Y": "1"}, "cannot be the name"),
        ({"": "1"}, "cannot be the name"),
        ({"X-A": "1", "x-a": "2"}, "x-a stands there twice"),
        ({"accept": "text/html"}, "said by each request itself"),
        ({"Content-Length": "1"}, "said by each request itself"),
        ({"Authorization": "Basic x"}, "is a secret"),
        ({"X-A": "1\r\nX-B: 2"}, "cannot be sent"),
        ({"X-A": SecretStr("hush\n")}, "cannot be sent"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused(headers: dict[str, object], told: str) -> None:
    text = problem(headers=headers)
    assert told in text
    assert "hush" not in text


def test_headers_are_texts_and_secrets() -> None:
    headers = {"X-A": "1", "X-B": SecretStr("hush"), "Authorization": SecretStr("Key hush")}
    assert made(headers=headers) == headers
