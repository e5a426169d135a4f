from pathlib import Path

import pytest

from hilum.imaging import codecs
from hilum.model.errors import NotAcceptable

PRIVATE = "1.2.3.4"
VIDEO = "1.2.840.10008.1.2.4.102"


def test_what_cannot_be_decoded_is_said() -> None:
    assert not codecs.can_decode(VIDEO)
    assert not codecs.can_encode(VIDEO)
    with pytest.raises(NotAcceptable, match=VIDEO):
        codecs.decoder(VIDEO)
    with pytest.raises(NotAcceptable, match="not encoded"):
        codecs.encoder(codecs.HTJ2K_RPCL)


@pytest.mark.parametrize(
    "syntax",
    [codecs.RLE_LOSSLESS, codecs.BASELINE, codecs.JLS_LOSSLESS, codecs.J2K, codecs.HTJ2K_RPCL],
)
def test_the_common_ones_are_decoded_without_extras(
    syntax: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codecs, "installed", lambda package: package != "imagecodecs")
    assert codecs.can_decode(syntax)


def test_a_codec_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codecs, "installed", lambda package: package != "imagecodecs")
    assert not codecs.can_decode(codecs.LOSSLESS_SV1)
    assert not codecs.can_encode(codecs.HTJ2K_LOSSLESS)
    with pytest.raises(NotAcceptable, match=r"pip install 'hilum\[codecs\]'"):
        codecs.decoder(codecs.LOSSLESS_SV1)
    with pytest.raises(NotAcceptable, match=r"pip install 'hilum\[codecs\]'"):
        codecs.encoder(codecs.HTJ2K_LOSSLESS)


def test_every_package_of_the_table_is_installed_here() -> None:
    packages = {each for codec in codecs.CODECS.values() for each in (codec.decodes, codec.encodes)}
    assert all(codecs.installed(each) for each in packages if each is not None)


def test_what_is_encapsulated() -> None:
    assert codecs.encapsulates(codecs.BASELINE)
    assert codecs.encapsulates(VIDEO)
    assert codecs.encapsulates("1.2.840.10008.1.2.1") is False
    assert codecs.encapsulates(PRIVATE) is None


def test_what_is_made_of_codestreams() -> None:
    assert codecs.codestreams(codecs.BASELINE)
    assert codecs.codestreams(VIDEO)
    assert not codecs.codestreams(codecs.RLE_LOSSLESS)
    assert not codecs.codestreams(PRIVATE)


def test_the_conformance_statement_names_every_syntax() -> None:
    text = (Path(__file__).parents[2] / "doc" / "conformance.md").read_text(encoding="utf-8")
    for syntax in codecs.CODECS:
        short = syntax.removeprefix("1.2.840.10008.1.2") or "(none)"
        assert f"`{short}`" in text or short in {"(none)", syntax}, syntax
        assert short != syntax or syntax in text
