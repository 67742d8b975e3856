"""Which events of a topic belong to an append that it holds whole?

Events of one append have neighbouring positions, `append_size` of them. What a database's loss cut off lies
where some partition had not come further; anything missing below that is damage.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from portal_eventstore.log_in_order import Item


class DamagedTopicError(Exception):
    """The topic lacks what it once held."""


class Sorted(NamedTuple):
    """Whole appends, in order, and what is left of those that are not."""

    whole: list[Item]
    dropped: list[Item]


class Appends:
    """Sorts events into whole appends and remains, as they come in order of position."""

    def __init__(self, last: Mapping[int, int], partitions: Iterable[int]) -> None:
        """Take how far each partition goes; one of which that is not known may lack anything."""
        self._lowest_last = min((last.get(partition, 0) for partition in partitions), default=0)
        self._group: list[Item] = []

    def take(self, items: Iterable[Item]) -> Sorted:
        """Take more events; the last append stays until the next begins."""
        found = Sorted([], [])
        for item in items:
            if self._group and self._group[0].stored.metadata.append_id != item.stored.metadata.append_id:
                self._close(found)
            self._group.append(item)
            if len(self._group) == item.stored.metadata.append_size:
                self._close(found)
        return found

    def end(self) -> Sorted:
        """Judge what is left."""
        found = Sorted([], [])
        if self._group:
            self._close(found)
        return found

    def _close(self, found: Sorted) -> None:
        group, self._group = self._group, []
        size = group[0].stored.metadata.append_size
        if len(group) == size:
            found.whole.extend(group)
            return
        present = [item.stored.position for item in group]
        if self._lowest_last > max(_may_lack(present, size)):
            raise DamagedTopicError(
                f"the append at position {present[0]} has {size} events, of which Kafka holds {len(group)}, "
                "and every partition goes on behind it: it was not cut off, it is damaged"
            )
        found.dropped.extend(group)


def _may_lack(present: list[int], size: int) -> Iterator[int]:
    first, last = present[0], present[-1]
    yield from (p for p in range(last - size + 1, first + size) if p not in present)
