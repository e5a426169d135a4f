from hilum.backends.dimse.findings import Finding, Known, Seen
from hilum.upper_layer.requestor import Remote

TO = Remote(host="pacs.example", port=104, calling="HILUM", called="BIG PACS")


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
