"""Fields done by several threads of one process, each with networks and cores of its own."""

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import torch

from unstained.ordered import in_order
from unstained.plates.fields import FieldName

Work: TypeAlias = Callable[[FieldName], object]
"""What is done for a field."""


def in_lanes(work: Callable[[], Work], fields: Sequence[FieldName], lanes: int) -> Generator[FieldName]:
    """Do work for fields in `lanes` threads that share the cores; gives each field, in order, once done.

    Cores that compute one field together wait for each other at every layer, and while it is read and
    written; with a field each they don't. Each lane asks for `work` of its own once.
    """
    threads = torch.get_num_threads()
    own = threading.local()

    def begin() -> None:
        torch.set_num_threads(max(1, threads // lanes))  # of this thread alone
        own.work = work()

    try:
        with ThreadPoolExecutor(lanes, initializer=begin) as pool:
            done = in_order(pool, lambda field: own.work(field), fields, 2 * lanes)
            for field, _ in zip(fields, done, strict=True):
                yield field
    finally:
        torch.set_num_threads(threads)  # what threads that come later take
