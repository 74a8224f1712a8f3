"""What tells a record from others, so that a walk knows what it has read."""

from hashlib import blake2b
from typing import Any

from crm_warehouse.clients.listing import value_at
from crm_warehouse.spec import Entity


def marks_of(records: list[Any], entity: Entity) -> list[str]:
    """What each record is known by.

    The version belongs to it: a list in the order of changes moves a record that
    changed to its end, where it says nothing about who stood behind it. A record
    without an id stands for itself.
    """
    marks = []
    for record in records:
        name = value_at(record, entity.id_path)
        if name is not None:
            name = (name, value_at(record, entity.version_path or entity.id_path))
        text = ascii(record if name is None else name)
        marks.append(blake2b(text.encode(), digest_size=8).hexdigest())
    return marks


class Seen:
    """All marks that came, in memory that does not grow with the list.

    Each sets one bit of many. A mark may find its bit set by another and be taken for
    known; all marks of page after page are not.

    Attributes:
        count: Marks that came, each once.
    """

    _PLACES = 1 << 24

    def __init__(self) -> None:
        self.count = 0
        self._bits = bytearray(self._PLACES // 8)

    def add(self, marks: list[str]) -> int:
        """Take in marks; returns how many are new."""
        before = self.count
        for mark in marks:
            byte, bit = divmod(int(mark, 16) % self._PLACES, 8)
            if not self._bits[byte] >> bit & 1:
                self._bits[byte] |= 1 << bit
                self.count += 1
        return self.count - before
