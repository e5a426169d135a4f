from dataclasses import asdict

from tests.cli.stated.told import TOLD, settings

from hilum.cli.stated import facts
from hilum.cli.stated.facts import stated
from hilum.cli.stated.statement import Entity, Statement


def entity(statement: Statement, name: str) -> Entity:
    return next(each for each in statement.entities if each.aet == name)


def roles(found: Entity) -> dict[str, tuple[bool, bool]]:
    return {each.name: (each.scu, each.scp) for each in found.services}


def test_mounts_are_application_entities_with_their_roles() -> None:
    found = stated(settings())
    assert [each.aet for each in found.entities] == ["ARCHIVE", "PACS", "CLOUD"]
    assert entity(found, "ARCHIVE").also == ("HILUM",)
    assert roles(entity(found, "ARCHIVE"))[facts.FIND] == (False, True)
    assert roles(entity(found, "ARCHIVE"))[facts.DELETE] == (False, True)
    pacs = roles(entity(found, "PACS"))
    assert pacs[facts.MOVE] == (True, True)
    assert pacs[facts.GET] == (False, True)  # retrieve = "move"
    assert entity(found, "PACS").receivers == ("RECEIVER",)
    assert roles(entity(found, "CLOUD"))[facts.QIDO] == (True, True)


def test_what_is_sent_to_peers_is_a_role_too() -> None:
    found = stated(settings())
    assert roles(entity(found, "ARCHIVE"))[facts.STORAGE] == (True, True)
    alone = stated(settings(peers={}))
    assert roles(entity(alone, "ARCHIVE"))[facts.STORAGE] == (False, True)


def test_a_closed_door_gives_nothing() -> None:
    mounts = {**TOLD["mounts"], "PACS": {**TOLD["mounts"]["PACS"], "retrieve": "get"}}
    found = stated(settings(frontend={"mode": "http"}, mounts=mounts))
    assert not found.has_dimse
    assert found.contexts == found.storage_classes == ()
    assert facts.FIND not in roles(entity(found, "ARCHIVE"))
    assert roles(entity(found, "PACS"))[facts.FIND] == (True, False)
    only = stated(settings(frontend={"mode": "dimse"}))
    assert [each.protocol for each in only.doors] == ["DIMSE"]
    assert entity(only, "ARCHIVE").roots == ()


def test_what_else_listens_and_is_told_is_in_it() -> None:
    mounts = {"ARCHIVE": {"publish": {"url": "https://fhir.example.org/r4"}}}
    http = {"public_url": "https://images.example.org"}
    found = stated(settings(mounts=mounts, admin={"enabled": True}, http=http))
    assert [each.protocol for each in found.doors] == ["DIMSE", "HTTP", facts.ADMIN]
    assert roles(entity(found, "ARCHIVE"))[facts.PUSH] == (True, False)
    assert "https://fhir.example.org/r4" in {each.place for each in found.remotes}


def test_a_list_of_the_configuration_is_the_list_of_the_statement() -> None:
    whole = stated(settings())
    assert len(whole.storage_classes) > 150
    assert len(whole.storage_syntaxes) > 40
    ct, explicit = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
    dimse = {"sop_classes": [ct], "transfer_syntaxes": [explicit]}
    few = stated(settings(dimse=dimse))
    assert few.storage_classes == (ct,)
    assert few.storage_syntaxes == (explicit,)
    assert not few.any_private_class


def test_no_secret_is_in_it() -> None:
    assert "hush" not in str(asdict(stated(settings())))


def test_a_fhir_server_takes_no_instances() -> None:
    index = {"backend": "fhir", "url": "https://fhir.example.org/r4"}
    found = entity(stated(settings(mounts={**TOLD["mounts"], "INDEX": index})), "INDEX")
    assert roles(found)[facts.STORAGE] == (True, False)  # to peers, by C-MOVE
    assert facts.STOW not in {each.name for each in found.services if each.scp}
    assert roles(found)[facts.FHIR] == (True, True)
    assert "https://fhir.example.org/r4" in found.behind
