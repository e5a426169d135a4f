"""How is each error spoken? The one table from errors to HTTP and DIMSE statuses."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from http import HTTPStatus

from hilum.model import errors


class Dimse(IntEnum):
    """Statuses in use: PS3.7 Annex C; PS3.4 Tables B.2-1, C.4-1 to C.4-3; PS3.18 §I.2."""

    SUCCESS = 0x0000
    PENDING = 0xFF00
    PENDING_WITHOUT_OPTIONAL_KEYS = 0xFF01
    CANCELLED = 0xFE00

    # warnings: kept, or finished, but
    COERCION = 0xB000
    SUBOPERATIONS_WITH_FAILURES = 0xB000
    ELEMENTS_DISCARDED = 0xB006
    DATASET_DIFFERS_FROM_CLASS = 0xB007

    # failures
    PROCESSING_FAILURE = 0x0110
    DUPLICATE_SOP_INSTANCE = 0x0111
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    NOT_AUTHORIZED = 0x0124
    OUT_OF_RESOURCES = 0xA700
    CANNOT_CALCULATE_MATCHES = 0xA701
    CANNOT_PERFORM_SUBOPERATIONS = 0xA702
    MOVE_DESTINATION_UNKNOWN = 0xA801
    IDENTIFIER_MISMATCH = 0xA900
    DATASET_MISMATCHES_CLASS = 0xA900
    DATASET_MISMATCHES_STUDY = 0xA901
    UNABLE_TO_PROCESS = 0xC000
    ANOTHER_IS_KEPT = 0xC111
    TRANSFER_SYNTAX_NOT_SUPPORTED = 0xC122


WARNINGS = frozenset({Dimse.COERCION, Dimse.ELEMENTS_DISCARDED, Dimse.DATASET_DIFFERS_FROM_CLASS})


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one kind of error is spoken.

    Attributes:
        http: status of an HTTP answer that is nothing but this error.
        find: C-FIND, PS3.4 Table C.4-1.
        retrieve: C-GET and C-MOVE, PS3.4 Tables C.4-2 and C.4-3.
        store: C-STORE, PS3.4 Table B.2-1 and PS3.7 §9.1.1.1.9.
        reason: Failure Reason (0008,1197) in a STOW-RS response, PS3.18 Table I.2-2.
    """

    http: HTTPStatus
    find: Dimse
    retrieve: Dimse
    store: Dimse
    reason: Dimse


def _same(http: HTTPStatus, status: Dimse) -> Verdict:
    return Verdict(http, status, status, status, status)


def _retry(http: HTTPStatus, retrieve: Dimse) -> Verdict:
    """Not now: the A7xx statuses, which make an SCU try again later."""
    out = Dimse.OUT_OF_RESOURCES
    return Verdict(http, out, retrieve, out, out)


def _fault(http: HTTPStatus) -> Verdict:
    """Something broke. Only STOW-RS has 0110 for it: C-STORE does not list that status."""
    unable = Dimse.UNABLE_TO_PROCESS
    return Verdict(http, unable, unable, unable, Dimse.PROCESSING_FAILURE)


_UNABLE = Dimse.UNABLE_TO_PROCESS

VERDICTS: Mapping[type[errors.HilumError], Verdict] = {
    errors.Unauthenticated: _same(HTTPStatus.UNAUTHORIZED, Dimse.NOT_AUTHORIZED),
    errors.Forbidden: _same(HTTPStatus.FORBIDDEN, Dimse.NOT_AUTHORIZED),
    errors.BadRequest: _same(HTTPStatus.BAD_REQUEST, _UNABLE),
    errors.BadQuery: _same(HTTPStatus.BAD_REQUEST, Dimse.IDENTIFIER_MISMATCH),
    # PS3.18 Table 10.5.3-1: 409 where no instance of a well-formed request could be stored.
    errors.BadDataset: _same(HTTPStatus.CONFLICT, _UNABLE),
    errors.ClassMismatch: _same(HTTPStatus.CONFLICT, Dimse.DATASET_MISMATCHES_CLASS),
    errors.StudyMismatch: _same(HTTPStatus.CONFLICT, Dimse.DATASET_MISMATCHES_STUDY),
    errors.NotAcceptable: _same(HTTPStatus.NOT_ACCEPTABLE, _UNABLE),
    # They may still be had as they are stored.
    errors.BadPixels: _same(HTTPStatus.NOT_ACCEPTABLE, _UNABLE),
    errors.UnsupportedMedia: _same(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, _UNABLE),
    errors.TooLarge: _retry(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, Dimse.CANNOT_PERFORM_SUBOPERATIONS
    ),
    errors.Unprocessable: _same(HTTPStatus.UNPROCESSABLE_ENTITY, _UNABLE),
    # 0111 is a status of N-CREATE (PS3.7 §10.1.5.1.6), not of C-STORE (§9.1.1.1.9): there a
    # Cxxx of our own. PS3.18 §I.2.2 allows "additional codes", so the web says the plain word.
    errors.Conflict: Verdict(
        HTTPStatus.CONFLICT, _UNABLE, _UNABLE, Dimse.ANOTHER_IS_KEPT, Dimse.DUPLICATE_SOP_INSTANCE
    ),
    errors.ClassRefused: _same(HTTPStatus.CONFLICT, Dimse.SOP_CLASS_NOT_SUPPORTED),
    # PS3.18 Table I.2-2. C-STORE settles syntaxes by negotiation and has no status for it;
    # C122 is also one of its Cxxx.
    errors.SyntaxRefused: _same(HTTPStatus.CONFLICT, Dimse.TRANSFER_SYNTAX_NOT_SUPPORTED),
    errors.InUse: _same(HTTPStatus.CONFLICT, _UNABLE),
    errors.Stale: _same(HTTPStatus.PRECONDITION_FAILED, _UNABLE),
    errors.NotOffered: _same(HTTPStatus.NOT_IMPLEMENTED, Dimse.SOP_CLASS_NOT_SUPPORTED),
    errors.NotFound: _same(HTTPStatus.NOT_FOUND, _UNABLE),
    errors.UnknownMount: _same(HTTPStatus.NOT_FOUND, _UNABLE),
    errors.UnknownDestination: Verdict(
        HTTPStatus.NOT_FOUND, _UNABLE, Dimse.MOVE_DESTINATION_UNKNOWN, _UNABLE, _UNABLE
    ),
    errors.OutOfResources: _retry(
        HTTPStatus.SERVICE_UNAVAILABLE, Dimse.CANNOT_PERFORM_SUBOPERATIONS
    ),
    # RFC 6585 §4; over DIMSE as any other shortage: "Out of Resources".
    errors.TooMany: _retry(HTTPStatus.TOO_MANY_REQUESTS, Dimse.CANNOT_PERFORM_SUBOPERATIONS),
    # The source cannot even be asked what there is.
    errors.BackendUnavailable: _retry(HTTPStatus.BAD_GATEWAY, Dimse.CANNOT_CALCULATE_MATCHES),
    errors.BackendTimeout: _retry(HTTPStatus.GATEWAY_TIMEOUT, Dimse.CANNOT_CALCULATE_MATCHES),
    errors.BackendFault: _fault(HTTPStatus.BAD_GATEWAY),
    # A client has nothing to log in with, so no 401; DIMSE has one word for both.
    errors.CredentialsRefused: _same(HTTPStatus.BAD_GATEWAY, Dimse.NOT_AUTHORIZED),
    errors.Vanished: _fault(HTTPStatus.BAD_GATEWAY),
    errors.Incomplete: Verdict(
        HTTPStatus.BAD_GATEWAY,
        _UNABLE,
        Dimse.CANNOT_PERFORM_SUBOPERATIONS,
        _UNABLE,
        Dimse.PROCESSING_FAILURE,
    ),
}

UNEXPECTED = _fault(HTTPStatus.INTERNAL_SERVER_ERROR)
"""The verdict on an error that nobody named."""


def verdict_on(error: BaseException) -> Verdict:
    """The verdict on `error`; an error nobody named is an internal one."""
    for kind in type(error).__mro__:
        if kind in VERDICTS:
            return VERDICTS[kind]
    return UNEXPECTED
