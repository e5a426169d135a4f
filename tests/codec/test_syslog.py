import re

from hilum.codec.syslog import framed, message


def test_a_message_begins_as_rfc_5424_wants_it() -> None:
    said = message(b"<a/>", time=1_000, host="gate", application="hilum", process=7)
    assert said == (b"<85>1 1970-01-01T00:00:01.000Z gate hilum 7 DICOM+RFC3881 - \xef\xbb\xbf<a/>")


def test_what_is_no_name_cannot_break_the_head() -> None:
    said = message(b"", time=0, host="a b\n" + "c" * 300, application="", process=7)
    head = re.fullmatch(rb"<85>1 (\S+) (\S+) - 7 DICOM\+RFC3881 - \xef\xbb\xbf", said)
    assert head is not None
    assert head[2] == b"a?b?" + b"c" * 251


def test_a_frame_begins_with_its_length_in_octets() -> None:
    assert framed("ü".encode()) == b"2 \xc3\xbc"
