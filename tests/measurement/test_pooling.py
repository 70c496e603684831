"""Results of many fields come in order, from other processes where that pays, and never too many at once."""

import os

import pytest

from unstained.measurement import pooling
from unstained.measurement.pooling import AHEAD, pooled


def own_number(item: int) -> tuple[int, int]:
    return item, os.getpid()


@pytest.fixture
def two_cores_that_pay(monkeypatch):
    """Let any work be worth two processes."""
    monkeypatch.setattr(pooling, "PAYS_FROM_S", 1e-9)
    monkeypatch.setattr(pooling, "cpu_count", lambda: 2)


def test_little_work_stays_in_this_process():
    assert list(pooled(own_number, range(5), 5)) == [(item, os.getpid()) for item in range(5)]
    assert list(pooled(own_number, [], 0)) == []


def test_much_work_goes_to_others_in_order(two_cores_that_pay):
    found = list(pooled(own_number, range(12), 12))
    assert [item for item, _ in found] == list(range(12))
    first, *others = [process for _, process in found]
    assert first == os.getpid()
    assert os.getpid() not in others


def test_work_that_is_known_to_be_much_goes_to_others_at_once(two_cores_that_pay):
    found = list(pooled(own_number, range(6), 6, seconds=60.0))
    assert [item for item, _ in found] == list(range(6))
    assert os.getpid() not in [process for _, process in found]
    assert list(pooled(own_number, [0], 1, seconds=60.0)) == [(0, os.getpid())]


def test_no_more_is_read_than_is_asked_for(two_cores_that_pay):
    taken = []

    def planes():
        for item in range(50):
            taken.append(item)
            yield item

    results = pooled(own_number, planes(), 50)
    for _ in range(3):
        next(results)
    assert len(taken) <= 3 + 2 * AHEAD
    results.close()


def test_a_failure_is_the_one_that_the_field_gave(two_cores_that_pay):
    with pytest.raises(ZeroDivisionError):
        list(pooled(failing, range(4), 4))


def failing(item: int) -> float:
    return 1 / (item - 2)
