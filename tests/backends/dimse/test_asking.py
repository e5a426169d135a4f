import pytest

from hilum.backends.dimse.asking import failure
from hilum.codec.dimse import Service
from hilum.model.errors import (
    BackendFault,
    BadQuery,
    Forbidden,
    HilumError,
    NotOffered,
    OutOfResources,
    UnknownDestination,
)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (0x0122, NotOffered),
        (0x0211, NotOffered),
        (0x0124, Forbidden),
        (0xA700, OutOfResources),
        (0xA701, OutOfResources),
        (0xA702, OutOfResources),
        (0xA801, UnknownDestination),
        (0xA900, BadQuery),
        (0xC000, BackendFault),
        (0xC001, BackendFault),
        (0xFE00, BackendFault),
        (0x0110, BackendFault),
        (0x1234, BackendFault),
        (None, BackendFault),
    ],
)
def test_each_status_has_a_name_of_ours(status: int | None, kind: type[HilumError]) -> None:
    error = failure(Service.C_MOVE, status)
    assert type(error) is kind
    assert "C-MOVE" in str(error)
    if status is not None:
        assert f"{status:04X}H" in str(error)
