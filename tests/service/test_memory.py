import platform

from hilum.service import memory


def test_the_allocator_is_tuned_where_it_is_glibc() -> None:
    assert memory.tune() == (platform.libc_ver()[0] == "glibc")
