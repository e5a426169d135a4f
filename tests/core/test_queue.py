from hilum.core.queue import backoff


def test_the_pause_doubles_up_to_an_hour_and_is_not_the_same_for_all() -> None:
    for attempts in (1, 2, 5, 11, 12, 100):
        waits = {backoff(attempts) for _ in range(50)}
        longest = min(3600, 2**attempts)
        assert all(longest / 2 <= each <= longest for each in waits)
        assert len(waits) > 1
