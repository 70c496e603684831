"""One result for each of many fields, in order; by several processes where that pays."""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator

from loky import cpu_count, get_reusable_executor

from unstained.ordered import Item, Result, in_order

PAYS_FROM_S = 20.0
"""Processes take a few seconds to start, so that less than this is done without them."""

AHEAD = 2
"""So many items for each core are taken before their results are asked for; memory is bounded by it."""


def pooled(
    function: Callable[[Item], Result], items: Iterable[Item], number: int, seconds: float = 0.0
) -> Iterator[Result]:
    """Give `function` of each of `number` items, in their order.

    Where they would take long, every core takes its share of them; `function` and items must be picklable
    then. What one takes is guessed as `seconds`; where that isn't long, the first is done here and timed.
    """
    left = iter(items)
    cores = cpu_count()
    if number < 2 or seconds * number < PAYS_FROM_S:
        begun = time.perf_counter()
        first = [function(item) for item in itertools.islice(left, 1)]
        seconds, number = time.perf_counter() - begun, number - 1
        yield from first
    if cores == 1 or seconds * number < PAYS_FROM_S:
        yield from map(function, left)
    else:
        yield from in_order(get_reusable_executor(max_workers=cores), function, left, AHEAD * cores)
