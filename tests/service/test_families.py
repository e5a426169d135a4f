from hilum.service.families import Family, Sample, decode, encode, joined


def family(value: float, **labels: str) -> Family:
    return Family("a", "counter", "How many.", [Sample("a_total", labels, value)])


def test_what_another_worker_says_is_what_it_had() -> None:
    families = [family(1.5, mount="ONE"), Family("b", "gauge", "Empty.")]
    assert decode(encode(families)) == families


def test_each_number_says_which_worker_has_counted_it() -> None:
    [found, other] = joined({1: [family(2, mount="X")], 0: [family(1), Family("b", "gauge", "B.")]})
    assert (found.name, other.name) == ("a", "b")
    assert found.samples == [
        Sample("a_total", {"worker": "0"}, 1),
        Sample("a_total", {"mount": "X", "worker": "1"}, 2),
    ]
