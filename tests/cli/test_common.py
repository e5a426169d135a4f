from hilum.cli.common import whoever
from hilum.model.principal import NOBODY, Proof


def test_who_types_a_command_is_known_by_the_login() -> None:
    who = whoever()
    assert who == NOBODY or who.proof is Proof.ADMITTED
