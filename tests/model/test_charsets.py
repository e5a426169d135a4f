import codecs

from pydicom.charset import python_encoding

from hilum.model.charsets import ENCODINGS


def test_they_are_those_that_pydicom_knows() -> None:
    assert {name: codecs.lookup(each).name for name, each in ENCODINGS.items()} == {
        name: codecs.lookup(each).name for name, each in python_encoding.items()
    }
