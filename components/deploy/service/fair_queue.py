"""A fair queue: requests share the service equally, by the cost of their photos.

Self-clocked fair queueing (Golestani, 1994): a photo's tag is the total cost of the photos that its request has added
since the request was last idle, and the photo with the lowest tag is next. A single photo does not have to wait for all
64 photos of another request.
"""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


@dataclass(eq=False)
class Share:
    """The queue entry for one request.

    Attributes:
        num_waiting: number of its photos that are not yet classified, except large photos that are still being decoded.
        decode_seconds: decoding time of its large photos, estimated in advance and corrected afterwards.
        tags: the tag of its newest item in each queue.
    """

    num_waiting: int = 0
    decode_seconds: float = 0.0
    tags: "dict[FairQueue[Any], float]" = field(default_factory=dict)


class FairQueue(Generic[Item]):
    """Items from several requests in fair order; items from the same request keep their order."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, float, Item]] = []
        self._numbers = itertools.count()
        self._clock = 0.0

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, item: Item, share: Share, cost: float) -> None:
        """Adds an item.

        Args:
            item: any object.
            share: the queue entry for the request that the item belongs to.
            cost: the cost of the item, above 0, in the same unit for all items of the queue.
        """
        tag = share.tags[self] = self._tag(share, cost)
        heapq.heappush(self._heap, (tag, next(self._numbers), cost, item))

    def pop(self) -> Item:
        """Removes the next item."""
        self._clock, _, _, item = heapq.heappop(self._heap)
        return item

    def remove(self, is_obsolete: Callable[[Item], bool]) -> None:
        """Removes obsolete items."""
        self._heap = [entry for entry in self._heap if not is_obsolete(entry[3])]
        heapq.heapify(self._heap)

    @property
    def first(self) -> Item:
        """The next item, which remains in the queue."""
        return self._heap[0][3]

    def cost_before(self, share: Share, cost: float) -> float:
        """The total cost of the items that would come before a new item of this cost."""
        tag = self._tag(share, cost)
        return sum(other_cost for other_tag, _, other_cost, _ in self._heap if other_tag <= tag)

    def _tag(self, share: Share, cost: float) -> float:
        return max(self._clock, share.tags.get(self, 0.0)) + cost
