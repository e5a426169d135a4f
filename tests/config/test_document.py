from tests.config.test_keys import Example

from hilum.config.document import BEGIN, END, reference, rewritten
from hilum.config.schema import Settings


def test_every_setting_has_a_row_with_its_default_as_one_would_write_it() -> None:
    text = reference(Settings)
    assert "## [dimse]" in text
    assert "| `port` | number | `11112` | TCP port" in text
    assert '| `idle_timeout` | time | `"10m"` |' in text
    assert '| `max_upload_size` | size | `"8GB"` |' in text
    assert "| `aet` | text | required |" in text
    assert "| `public_url` | text | none |" in text
    assert '| `durability` | `"full"`, `"relaxed"` | `"full"` |' in text


def test_tables_that_the_user_names_are_shown_with_a_name() -> None:
    assert "## [mounts.NAME]" in reference(Settings)


def test_a_secret_is_shown_as_one() -> None:
    assert "| `password` | secret | none |" in reference(Example)


def test_every_setting_says_what_it_means() -> None:
    rows = [line for line in reference(Settings).splitlines() if line.startswith("| `")]
    assert len(rows) > 30
    assert all(row.split("|")[2].strip() and row.split("|")[4].strip() for row in rows)


def test_only_what_stands_between_the_marks_is_written_anew() -> None:
    page = f"above\n{BEGIN}\nold\n{END}\nbelow\n"
    new = rewritten(page)
    assert new.startswith(f"above\n{BEGIN}\n")
    assert new.endswith(f"{END}\nbelow\n")
    assert "\nold\n" not in new
    assert rewritten(new) == new
