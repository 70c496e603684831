"""Results come in the order of their items, few of which are taken ahead."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from unstained.ordered import in_order


def slow_first(item: int) -> int:
    time.sleep(0.05 if item == 0 else 0.0)
    return 10 * item


def test_results_keep_the_order_of_their_items():
    with ThreadPoolExecutor(3) as pool:
        assert list(in_order(pool, slow_first, range(8), ahead=3)) == [10 * item for item in range(8)]
        assert list(in_order(pool, slow_first, [], ahead=3)) == []


def test_no_more_than_so_many_items_are_taken_ahead():
    taken = []
    items = (taken.append(item) or item for item in range(20))
    with ThreadPoolExecutor(2) as pool:
        results = in_order(pool, slow_first, items, ahead=3)
        next(results)
        assert taken == [0, 1, 2]
        results.close()


def test_an_error_ends_the_work_and_is_the_one_of_its_item():
    done = []

    def work(item: int) -> int:
        done.append(item)
        return 1 // (item - 1)

    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError):
        list(in_order(pool, work, range(50), ahead=2))
    assert len(done) < 5
