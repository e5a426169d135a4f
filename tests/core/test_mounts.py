import pytest

from hilum.core.mounts import Mount, Mounts
from hilum.model.errors import UnknownMount

ARCHIVE = Mount(name="ARCHIVE", backend="archive")
MOUNTS = Mounts({"ARCHIVE": ARCHIVE}, "ARCHIVE", "HILUM")


def test_a_mount_is_found_by_its_ae_title() -> None:
    assert MOUNTS["ARCHIVE"] is ARCHIVE
    assert "ARCHIVE" in MOUNTS
    assert list(MOUNTS) == [ARCHIVE]
    assert MOUNTS.default == "ARCHIVE"


@pytest.mark.parametrize("name", ["archive", "ARCHIVE ", "", "OTHER"])
def test_ae_titles_are_case_sensitive_and_whole(name: str) -> None:
    assert name not in MOUNTS
    with pytest.raises(UnknownMount):
        MOUNTS[name]


def test_the_servers_own_title_means_the_default_mount() -> None:
    assert MOUNTS.meant("HILUM") == "ARCHIVE"
    assert MOUNTS.meant("ARCHIVE") == "ARCHIVE"
    assert MOUNTS.meant("OTHER") == "OTHER"
    assert Mounts({}, None, "HILUM").meant("HILUM") == "HILUM"
    named = Mounts({"HILUM": ARCHIVE, "ARCHIVE": ARCHIVE}, "ARCHIVE", "HILUM")
    assert named.meant("HILUM") == "HILUM"
