import tomllib

from hilum.backends.dimse.findings import Known
from hilum.backends.dimse.proposal import block, free_name, mount_name, proposed
from hilum.config.mounts import DimseMount
from hilum.config.schema import Settings
from hilum.upper_layer.requestor import Remote

TO = Remote(host="pacs.example", port=104, calling="HILUM", called="BIG PACS")


def test_a_block_is_a_mount() -> None:
    settings = {"cancel": "abort", "charset": "\\ISO 2022 IR 87", "senders": ["A", "B"]}
    text = block("BIG PACS", TO, settings, calling="US")
    table = tomllib.loads(text)["mounts"]["BIG PACS"]
    mount = DimseMount.model_validate(table)
    assert (mount.aet, mount.host, mount.port) == ("BIG PACS", "pacs.example", 104)
    assert (mount.cancel, mount.charset) == ("abort", "\\ISO 2022 IR 87")
    assert (mount.senders, mount.calling) == (("A", "B"), "US")


def test_a_name_for_a_mount_needs_no_quotes() -> None:
    assert mount_name("BIG PACS") == "BIG_PACS"
    assert mount_name('A"B\\C') == "A_B_C"
    assert mount_name(" ") == "PACS"


def test_what_is_so_anyway_is_not_proposed() -> None:
    known = Known(TO, 1.0, lambda _finding: None)
    known.tell("move", "move", value=True, text="", retrieve="move", receivers=["HILUM"])
    assert proposed(known, "PACS", TO, "HILUM")[0] == {"retrieve": "move"}
    found, table = proposed(known, "PACS", TO, "OTHER")
    assert found["receivers"] == ["HILUM"]
    assert 'calling = "HILUM"' in table


def test_a_new_mount_has_an_ae_title_of_its_own() -> None:
    peer = {"aet": "CT", "host": "h", "port": 104}
    long = "SIXTEEN_LETTERS_"
    given = {"mounts": {"PACS": {}, "PACS_2": {}, long: {}}, "peers": {"scanner": peer}}
    settings = Settings.model_validate(given)
    assert free_name("NEW", settings) == "NEW"
    assert free_name("PACS", settings) == "PACS_3"
    assert free_name("CT", settings) == "CT_2"
    assert free_name(long, settings) == "SIXTEEN_LETTER_2"
