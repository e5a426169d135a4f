from hilum.core.operations import Echo
from hilum.core.records import Tally
from hilum.core.underway import Underway
from hilum.model.principal import NOBODY


def test_what_runs_is_listed_until_it_has_ended_the_longest_first() -> None:
    underway = Underway()
    echo = Echo(mount="PACS", who=NOBODY, request_id="1")
    late, early = Tally(echo, began=2.0), Tally(echo, began=1.0)
    for each in (late, early):
        underway.began(each)
    underway.stored(late, 0.1)
    assert [each.began for each in underway.now()] == [1.0, 2.0]
    underway.ended(early, None)
    underway.ended(early, None)
    assert underway.now() == [late]
