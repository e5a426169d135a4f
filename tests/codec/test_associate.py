import contextlib
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom import pdu as oracle
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.presentation import PresentationContext

from hilum.codec import associate
from hilum.codec.associate import (
    APPLICATION_CONTEXT,
    Answered,
    AssociateAccept,
    AssociateRequest,
    Negotiation,
    Proposed,
    Role,
    UserIdentity,
)
from hilum.codec.pdu import MAX_ASSOCIATE, Associate, Pdu, PduError

CT = "1.2.840.10008.5.1.4.1.1.2"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
SYNTAXES = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")

UIDS = st.from_regex(r"[1-9][0-9]{0,4}(\.[1-9][0-9]{0,6}){1,6}", fullmatch=True)
TITLES = st.text("ABCXYZ_09 é", min_size=1, max_size=16).filter(lambda t: t == t.strip() != "")
IDS = st.integers(0, 127).map(lambda number: 2 * number + 1)
IDENTITIES = st.builds(
    UserIdentity,
    type=st.integers(1, 5),
    primary=st.binary(max_size=60),
    secondary=st.binary(max_size=20),
    response_requested=st.booleans(),
)
NEGOTIATIONS = st.builds(
    Negotiation,
    max_pdu=st.one_of(st.just(0), st.integers(64, 2**32 - 1)),
    implementation_class_uid=UIDS,
    implementation_version_name=st.text("HILUM_09", max_size=16),
    roles=st.dictionaries(UIDS, st.builds(Role, scu=st.booleans(), scp=st.booleans()), max_size=4),
    extended=st.dictionaries(UIDS, st.binary(max_size=9), max_size=3),
    async_operations=st.one_of(st.none(), st.tuples(st.integers(0, 65535), st.integers(0, 65535))),
    identity=st.one_of(st.none(), IDENTITIES),
    identity_response=st.one_of(st.none(), st.binary(max_size=20)),
)
REQUESTS = st.builds(
    AssociateRequest,
    called_ae_title=TITLES,
    calling_ae_title=TITLES,
    contexts=st.lists(
        st.builds(Proposed, IDS, UIDS, st.lists(UIDS, max_size=4).map(tuple)),
        max_size=5,
        unique_by=lambda context: context.id,
    ).map(tuple),
    negotiation=NEGOTIATIONS,
    protocol_version=st.integers(0, 65535),
)
ACCEPTS = st.builds(
    AssociateAccept,
    called_ae_title=TITLES,
    calling_ae_title=TITLES,
    contexts=st.lists(
        st.builds(Answered, IDS, st.integers(0, 4), UIDS),
        max_size=5,
        unique_by=lambda context: context.id,
    ).map(tuple),
    negotiation=NEGOTIATIONS,
)


def body(*items: bytes, version: int = 1) -> Associate:
    fixed = struct.pack(">HH16s16s32s", version, 0, b"CALLED".ljust(16), b"ME".ljust(16), b"")
    return Associate(Pdu.ASSOCIATE_RQ, fixed + b"".join(items))


def item(kind: int, content: bytes, length: int | None = None) -> bytes:
    return struct.pack(">BxH", kind, len(content) if length is None else length) + content


def user(*items: bytes) -> bytes:
    return item(0x50, b"".join(items))


def context(number: int = 1) -> bytes:
    inner = item(0x30, CT.encode()) + item(0x40, SYNTAXES[0].encode())
    return item(0x20, bytes((number, 0, 0, 0)) + inner)


@given(st.one_of(REQUESTS, ACCEPTS))
def test_what_is_encoded_is_read_back(says: AssociateRequest | AssociateAccept) -> None:
    assert associate.parse(associate.encode(says)) == says


def primitive(*more: object) -> A_ASSOCIATE:
    """A request of pynetdicom's."""
    made = A_ASSOCIATE()
    made.application_context_name = APPLICATION_CONTEXT
    made.calling_ae_title, made.called_ae_title = "PEER", "HILUM"
    length, uid = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received, uid.implementation_class_uid = 16382, "1.2.3"
    name = ImplementationVersionNameNotification()
    name.implementation_version_name = "PEER_1"
    made.user_information = [length, uid, name, *more]
    one = PresentationContext()
    one.context_id, one.abstract_syntax, one.transfer_syntax = 1, CT, list(SYNTAXES)
    made.presentation_context_definition_list = [one]
    return made


def read(made: A_ASSOCIATE) -> AssociateRequest:
    sent = oracle.A_ASSOCIATE_RQ()
    sent.from_primitive(made)
    says = associate.parse(Associate(Pdu.ASSOCIATE_RQ, sent.encode()[6:]))
    assert isinstance(says, AssociateRequest)
    return says


def test_a_request_of_pynetdicom_is_understood() -> None:
    assert read(primitive()) == AssociateRequest(
        called_ae_title="HILUM",
        calling_ae_title="PEER",
        contexts=(Proposed(1, CT, SYNTAXES),),
        negotiation=Negotiation(
            max_pdu=16382, implementation_class_uid="1.2.3", implementation_version_name="PEER_1"
        ),
    )


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("positive", [True, False])
def test_a_user_identity_of_each_type_is_carried(kind: int, positive: bool) -> None:  # noqa: FBT001 - a parameter
    identity = UserIdentityNegotiation()
    identity.user_identity_type = kind
    identity.primary_field = b"who" * 9
    identity.secondary_field = b"secret" if kind == 2 else b""
    identity.positive_response_requested = positive
    found = read(primitive(identity)).negotiation.identity
    assert found == UserIdentity(
        kind, b"who" * 9, b"secret" if kind == 2 else b"", response_requested=positive
    )
    assert "who" not in repr(found)
    assert "secret" not in repr(found)


@pytest.mark.parametrize("roles", [(True, True), (True, False), (False, True)])
def test_role_selection_of_pynetdicom_is_understood(roles: tuple[bool, bool]) -> None:
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid = CT
    role.scu_role, role.scp_role = roles
    found = read(primitive(role)).negotiation.roles
    assert found == {CT: Role(scu=roles[0], scp=roles[1])}


def test_extended_negotiation_and_the_window_of_operations_are_understood() -> None:
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid, extended.service_class_application_information = FIND, b"\1\0\1"
    common = SOPClassCommonExtendedNegotiation()
    common.sop_class_uid, common.service_class_uid = CT, "1.2.840.10008.4.2"
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = 5
    window.maximum_number_operations_performed = 7
    found = read(primitive(extended, common, window)).negotiation
    assert found.extended == {FIND: b"\1\0\1"}
    assert found.async_operations == (5, 7)


def test_128_contexts_of_pynetdicom_are_understood() -> None:
    made = primitive()
    contexts = []
    for number in range(128):
        one = PresentationContext()
        one.context_id, one.abstract_syntax = 2 * number + 1, f"1.2.3.{number}"
        one.transfer_syntax = list(SYNTAXES)
        contexts.append(one)
    made.presentation_context_definition_list = contexts
    assert read(made).contexts == tuple(
        Proposed(2 * number + 1, f"1.2.3.{number}", SYNTAXES) for number in range(128)
    )


def test_pynetdicom_understands_what_we_ask() -> None:
    says = AssociateRequest(
        called_ae_title="PEER",
        calling_ae_title="HILUM",
        contexts=tuple(Proposed(2 * n + 1, f"1.2.3.{n}", SYNTAXES) for n in range(128)),
        negotiation=Negotiation(
            max_pdu=0,
            implementation_class_uid="1.2.3",
            implementation_version_name="HILUM",
            roles={CT: Role(scu=False, scp=True)},
            extended={FIND: b"\1"},
            async_operations=(1, 1),
            identity=UserIdentity(2, b"who", b"secret", response_requested=True),
        ),
    )
    pdu = associate.encode(says)
    got = oracle.A_ASSOCIATE_RQ()
    got.decode(struct.pack(">BxI", 1, len(pdu.body)) + pdu.body)
    assert (got.called_ae_title, got.calling_ae_title) == ("PEER", "HILUM")
    assert got.application_context_name == APPLICATION_CONTEXT
    assert [c.context_id for c in got.presentation_context] == list(range(1, 256, 2))
    assert got.presentation_context[5].transfer_syntax == list(SYNTAXES)
    info = got.user_information
    assert info is not None
    assert info.maximum_length == 0
    assert info.implementation_version_name == "HILUM"
    assert info.role_selection[CT].scp_role == 1
    assert info.ext_neg[0].app_info == b"\1"
    assert info.async_ops_window.maximum_number_operations_invoked == 1
    assert info.user_identity.primary_field == b"who"
    assert info.user_identity.secondary_field == b"secret"


def test_pynetdicom_understands_what_we_answer() -> None:
    says = AssociateAccept(
        called_ae_title="HILUM",
        calling_ae_title="PEER",
        contexts=(Answered(1, 0, SYNTAXES[0]), Answered(3, 3, SYNTAXES[1])),
        negotiation=Negotiation(
            max_pdu=131072,
            implementation_class_uid="1.2.3",
            roles={CT: Role(scu=True, scp=True)},
            extended={FIND: b"\1\0"},
            identity_response=b"ticket",
        ),
    )
    pdu = associate.encode(says)
    got = oracle.A_ASSOCIATE_AC()
    got.decode(struct.pack(">BxI", 2, len(pdu.body)) + pdu.body)
    assert [(c.context_id, c.result) for c in got.presentation_context] == [(1, 0), (3, 3)]
    assert got.presentation_context[0].transfer_syntax == SYNTAXES[0]
    assert got.user_information is not None
    assert got.user_information.maximum_length == 131072
    assert got.user_information.user_identity.server_response == b"ticket"
    assert got.user_information.role_selection[CT].scp_role == 1


def test_titles_lose_blanks_and_nuls_and_may_be_latin_1() -> None:
    fixed = struct.pack(">HH16s16s32s", 1, 0, b" HILUM\0\0", b"\xc9COLE", b"")
    says = associate.parse(Associate(Pdu.ASSOCIATE_RQ, fixed))
    assert (says.called_ae_title, says.calling_ae_title) == ("HILUM", "ÉCOLE")


def test_unknown_items_are_skipped() -> None:
    says = associate.parse(
        body(
            item(0x77, b"?"), context(), item(0x10, b"1.2"), user(item(0x5A, b"?"), item(0xFF, b""))
        )
    )
    assert says.application_context == "1.2"
    assert says.contexts == (Proposed(1, CT, SYNTAXES[:1]),)


def test_a_uid_beyond_ascii_comes_back_in_the_length_that_it_came_in() -> None:
    strange = b"\xff" * 40_000
    asked = item(0x20, bytes((1, 0, 0, 0)) + item(0x30, CT.encode()) + item(0x40, strange))
    says = associate.parse(body(asked))
    syntax = says.contexts[0].transfer_syntaxes[0]
    accept = AssociateAccept(
        called_ae_title="A", calling_ae_title="B", contexts=(Answered(1, 4, syntax),)
    )
    assert strange in associate.encode(accept).body


def test_an_identity_without_the_length_of_its_secondary_field_is_taken() -> None:
    says = associate.parse(body(user(item(0x58, b"\1\0\0\3who"))))
    assert says.negotiation.identity == UserIdentity(1, b"who")


@pytest.mark.parametrize(
    "pdu",
    [
        Associate(Pdu.ASSOCIATE_RQ, bytes(67)),
        body(b"\x10"),
        body(item(0x10, b"1.2", 4)),
        body(item(0x20, b"\1\0\0")),
        body(item(0x20, b"\1\0\0\0" + item(0x30, CT.encode(), 60))),
        body(context(1), context(1)),
        body(context(2)),
        body(context(0)),
        body(user(item(0x51, b"\0\0\1"))),
        body(user(item(0x51, b"\0\0\0\x06"))),
        body(user(item(0x51, b"\0\0\0\x3f"))),
        body(user(item(0x53, b"\0\1"))),
        body(user(item(0x54, b""))),
        body(user(item(0x54, b"\0\x041.2"))),
        body(user(item(0x54, b"\0\x031.2\1"))),
        body(user(item(0x56, b"\0\xff1.2"))),
        body(user(item(0x58, b"\1"))),
        body(user(item(0x58, b"\1\0\0\x09who\0\0"))),
        body(user(item(0x58, b"\1\0\0\3who\0\1"))),
        body(user(item(0x52, b"1.2", 9))),
    ],
)
def test_what_does_not_fit_is_refused(pdu: Associate) -> None:
    with pytest.raises(PduError):
        associate.parse(pdu)


def test_what_cannot_be_sent_is_refused() -> None:
    identity = UserIdentity(5, bytes(65_530))
    says = AssociateRequest(
        called_ae_title="A",
        calling_ae_title="B",
        contexts=(Proposed(1, CT, SYNTAXES),),
        negotiation=Negotiation(identity=identity),
    )
    with pytest.raises(PduError):
        associate.encode(says)


@given(st.data(), st.one_of(REQUESTS, ACCEPTS))
def test_mutated_requests_raise_nothing_but_pdu_errors(
    data: st.DataObject, says: AssociateRequest | AssociateAccept
) -> None:
    pdu = associate.encode(says)
    changed = bytearray(pdu.body)
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    changed = changed[: data.draw(st.integers(0, len(changed)))]
    with contextlib.suppress(PduError):
        associate.encode(associate.parse(Associate(pdu.type, bytes(changed))))


@given(st.binary(max_size=400))
def test_random_bodies_raise_nothing_but_pdu_errors(content: bytes) -> None:
    for kind in (Pdu.ASSOCIATE_RQ, Pdu.ASSOCIATE_AC):
        with contextlib.suppress(PduError):
            associate.parse(Associate(kind, content))
        with contextlib.suppress(PduError):
            associate.parse(Associate(kind, bytes(68) + content))


@pytest.mark.parametrize(
    "inner",
    [
        context(1),
        item(0x77, b""),
        user(item(0x54, b"\0\x011\1\1") * 5000),
        item(0x20, b"\1\0\0\0" + item(0x40, b"") * 16_000),
    ],
    ids=["contexts", "unknown", "roles", "syntaxes"],
)
def test_a_megabyte_of_items_is_read_in_bounded_time(inner: bytes) -> None:
    """What is longer than MAX_ASSOCIATE never gets here, but need not be a danger if it did."""
    content = body(inner * (1024 * 1024 // len(inner)))
    assert len(content.body) > MAX_ASSOCIATE
    began = time.process_time()
    with contextlib.suppress(PduError):
        associate.parse(content)
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    ("source", "reason", "words"),
    [(1, 3, "calling AE title"), (1, 7, "called AE title"), (3, 2, "limit"), (9, 9, "unknown")],
)
def test_rejections_are_explained(source: int, reason: int, words: str) -> None:
    assert words in associate.explain(source, reason)
