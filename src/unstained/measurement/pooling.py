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


def pooled(function: Callable[[Item], Result], items: Iterable[Item], number: int) -> Iterator[Result]:
    """Give `function` of each of `number` items, in their order.

    The first is done here and timed. Where the others would take long, every core takes its share of them;
    `function` and items must be picklable then.
    """
    left = iter(items)
    begun = time.perf_counter()
    first = [function(item) for item in itertools.islice(left, 1)]
    seconds = time.perf_counter() - begun
    yield from first
    cores = cpu_count()
    if cores == 1 or seconds * (number - 1) < PAYS_FROM_S:
        yield from map(function, left)
    else:
        yield from in_order(get_reusable_executor(max_workers=cores), function, left, AHEAD * cores)
