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
    assert "## [peers.NAME]" in reference(Settings)


def test_each_kind_of_a_table_has_a_section_of_its_own() -> None:
    text = reference(Settings)
    for kind in ("archive", "dimse", "dicomweb"):
        assert text.count(f'## [mounts.NAME] with backend = "{kind}"\n') == 1
        assert f'| `backend` | `"{kind}"` |' in text
    assert '## [mounts.NAME.pool] with backend = "dimse"\n' in text
    assert '## [mounts.NAME.cache] with backend = "dicomweb"\n' in text
    assert "## []" not in text


def test_a_table_has_its_own_keys_before_those_that_others_like_it_have() -> None:
    text = reference(Settings)
    dimse = text.partition('with backend = "dimse"')[2].partition("## ")[0]
    keys = [row.split("`")[1] for row in dimse.splitlines() if row.startswith("| `")]
    assert keys[:4] == ["backend", "aet", "host", "port"]
    assert keys[-1] == "walk_limit"


def test_what_may_be_left_out_is_shown_as_what_it_is_otherwise() -> None:
    text = reference(Settings)
    assert "| `max_size` | size | none |" in text
    assert "| `max_age` | time | none |" in text
    assert "| `headers` | table of texts or secrets | `{}` |" in text
    assert "| `ca_file` | path | none |" in text


def test_a_secret_is_shown_as_one() -> None:
    assert "| `password` | secret | none |" in reference(Example)


def test_every_setting_says_what_it_means() -> None:
    rows = [line for line in reference(Settings).splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert all(all(cell.strip() for cell in row.split("|")[1:5]) for row in rows)


def test_only_what_stands_between_the_marks_is_written_anew() -> None:
    page = f"above\n{BEGIN}\nold\n{END}\nbelow\n"
    new = rewritten(page)
    assert new.startswith(f"above\n{BEGIN}\n")
    assert new.endswith(f"{END}\nbelow\n")
    assert "\nold\n" not in new
    assert rewritten(new) == new
