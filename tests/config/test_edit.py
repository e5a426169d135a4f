import os
from pathlib import Path

import pytest

from hilum.config import edit
from hilum.config.edit import MASK, opened
from hilum.config.load import ConfigError

TEXT = """# Ours.
[server]
aet = "HILUM"  # agreed

[mounts.ARCHIVE]

[mounts.WEB]
backend = "dicomweb"
url = "https://origin.example/dicom-web"
headers = { X-Key = "s3cret", X-Other = { env = "OTHER" } }
password = { file = "password" }
username = "hilum"
"""
ENVIRON = {"OTHER": "other"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "password").write_text("from a file\n")
    path = tmp_path / "config.toml"
    path.write_text(TEXT)
    path.chmod(0o640)
    return path


def test_secrets_are_masked_and_references_stay(file: Path) -> None:
    shown = opened(file).shown
    assert "s3cret" not in shown
    assert shown == TEXT.replace("s3cret", MASK)


@pytest.mark.parametrize(
    "line",
    ['[peers.X]\npassword = "s3cret"', 'pasword = "s3cret"', 'x = ["http://a:s3cret@b/"]'],
)
def test_what_looks_like_a_secret_is_masked_where_it_does_not_belong_too(
    file: Path, line: str
) -> None:
    assert "s3cret" not in edit.masked(file, line + "\n")


def test_a_masked_text_that_is_saved_keeps_secrets_comments_mode_and_a_copy(file: Path) -> None:
    before = opened(file)
    edited = before.shown.replace("# agreed", "# agreed again").replace("\n", "\r\n")
    whole, settings = edit.checked(edited, before, ENVIRON)
    assert settings.file == file
    kept = edit.saved(whole, before)
    assert file.read_text() == TEXT.replace("# agreed", "# agreed again")
    assert (kept.name, kept.read_text()) == ("config.toml.bak", TEXT)
    if os.name == "posix":
        assert {each.stat().st_mode & 0o777 for each in (file, kept)} == {0o640}
    assert {each.name for each in file.parent.iterdir()} == {
        "config.toml",
        "config.toml.bak",
        "password",
    }


def test_line_ends_and_a_mark_at_the_beginning_stay(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    before = opened(file)
    whole, _ = edit.checked(before.shown.removesuffix("\n"), before, ENVIRON)
    edit.saved(whole, before)
    assert file.read_bytes() == b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode()


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(file: Path) -> None:
    before = opened(file)
    file.write_text(TEXT + "# theirs\n")
    with pytest.raises(ConfigError, match="somebody else"):
        edit.saved(TEXT, before)
    assert file.read_text() == TEXT + "# theirs\n"


def test_what_is_wrong_is_told_in_the_words_of_the_loader(file: Path) -> None:
    before = opened(file)
    for edited, problem in (
        (before.shown.replace("aet", "aett"), "server.aett: unknown key; did you mean server.aet?"),
        (before.shown + "[", "not TOML"),
        (before.shown.replace("X-Key", "X-New"), "headers.X-New: the mask stands for nothing"),
        ("", "mounts: there is none"),
    ):
        with pytest.raises(ConfigError, match=problem.replace("?", r"\?")):
            edit.checked(edited, before, ENVIRON)


def test_a_link_stays_one(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    try:
        link.symlink_to(file)
    except OSError:
        pytest.skip("links are not allowed here")
    edit.saved(TEXT + "# more\n", opened(link))
    assert link.is_symlink()
    assert file.read_text().endswith("# more\n")


def test_a_file_that_cannot_be_had_or_written_is_told(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        opened(tmp_path / "none.toml")
    for content, problem in ((b"\xff", "UTF-8"), (b"#" * (edit.LONGEST + 1), "longer")):
        (tmp_path / "other.toml").write_bytes(content)
        with pytest.raises(ConfigError, match=problem):
            opened(tmp_path / "other.toml")
    before = opened(file)
    (tmp_path / "config.toml.bak").mkdir()
    with pytest.raises(ConfigError, match="cannot be written"):
        edit.saved(TEXT + "#\n", before)
    assert file.read_text() == TEXT


def test_a_difference_has_places_and_both_sides() -> None:
    found = edit.difference("a\nb\n", "a\nc\n", "config.toml")
    assert found[:2] == ["--- config.toml", "+++ config.toml (changed)"]
    assert found[-2:] == ["-b", "+c"]
