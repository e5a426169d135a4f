from hilum.frontends.dicomweb.pictures import Pictures


def test_they_are_remembered() -> None:
    pictures = Pictures()
    assert pictures.looks is pictures.looks
    assert pictures.renderings is pictures.renderings
