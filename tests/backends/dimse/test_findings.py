import tomllib

from hilum.backends.dimse.findings import Finding, Known, Seen, block, mount_name
from hilum.config.mounts import DimseMount
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


def test_the_first_word_on_a_setting_counts() -> None:
    heard: list[Finding] = []
    known = Known(TO, 1.0, heard.append)
    known.tell("one", "one", value=True, text="", mode="sequential")
    known.tell("two", "two", value=True, text="", mode="concurrent", cancel="abort")
    assert known.settings == {"mode": "sequential", "cancel": "abort"}
    assert known.findings == heard


def test_values_are_read_leniently() -> None:
    seen = Seen(
        {
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]},
            "00201208": {"vr": "IS", "Value": [7]},
            "00080020": {"vr": "DA"},
        },
        b"",
        "",
    )
    assert seen.value(0x00100010) == "Doe^Jane"
    assert (seen.number(0x00201208), seen.number(0x00080020)) == (7, None)
