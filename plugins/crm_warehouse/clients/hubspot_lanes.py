"""Lanes: parts of a search by ids, each walked by ascending ids, at the same time.

A walk begins as one lane. Whoever has read a lane up to an id may cut what is left of
it in two at any higher id. The first part ends there, the second goes on behind it: so
a cut costs no request, nothing is read twice or by nobody, whichever way the API orders
ids, and lanes become as many as pay. Records of one millisecond are cut like any
others, and no record moves from one lane to another.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from crm_warehouse.errors import ConfigurationError

P = TypeVar("P")
A = TypeVar("A")

#: Ids of so many digits fit in 64 bits, whatever the digits are.
_DIGITS = 18
#: How ids may be ordered -> where on a line of whole numbers an id stands then.
_PLACES: dict[str, Callable[[str], int]] = {
    "number": int,
    "text": lambda text: int(text.ljust(_DIGITS, "0")[:_DIGITS]),
}


@dataclass(slots=True, eq=False)
class Lane(Generic[A, P]):
    """A range of ids, and how far its records are read.

    Attributes:
        kept: Id of the last record that was given away, or None.
        to: Highest id; None: it has no end.
        read: Id of the last record that was read, or None.
        behind: The lane that it was cut from, whose pages come first.
        asking: The question under way.
        pages: Pages that were read and not given away.
        ended: Nothing is left to be asked.
    """

    kept: str | None = None
    to: str | None = None
    read: str | None = None
    behind: "Lane[A, P] | None" = None
    asking: Future[A] | None = None
    pages: deque[P] = field(default_factory=deque)
    ended: bool = False

    @property
    def is_idle(self) -> bool:
        """Whether its next page may be asked for."""
        return not self.ended and self.asking is None

    @property
    def is_done(self) -> bool:
        """Whether everything was read and given away."""
        return self.ended and not self.pages

    @property
    def may_give(self) -> bool:
        """Whether what stands before its pages was given away."""
        return self.behind is None or self.behind.is_done

    def cut(self, middle: str) -> "list[Lane[A, P]]":
        """Two lanes in place of what is left of this one; it ends here."""
        self.ended = True
        parts = (self.read, middle), (middle, self.to)
        return [Lane(begin, end, begin, behind=self) for begin, end in parts]

    def middle(self, order: str, first: str, count: int, left: int) -> str | None:
        """Id in the middle of what is left, if ids stay as close as on the last page.

        Args:
            order: How ids are ordered: ``number`` or ``text``.
            first: First id of the page.
            count: Records of the page.
            left: Records behind it.
        """
        place = _PLACES[order]
        end = place(self.read or first)
        middle = end + (end - place(first)) * left // (2 * max(1, count - 1))
        top = 10**_DIGITS if self.to is None else place(self.to)
        if middle >= top:
            middle = (end + top) // 2
        return str(middle) if end < middle < top else None


class Lanes(Generic[A, P]):
    """The lanes of a walk that are not done.

    Args:
        checkpoint: :meth:`as_checkpoint`, or None.

    Attributes:
        beside: Records read that the closing count leaves out, less those that it may
            count although we left them out.

    Raises:
        ConfigurationError: The checkpoint is not of a search.
    """

    def __init__(self, checkpoint: dict[str, Any] | None) -> None:
        try:
            place: dict[str, Any] = {"last": None, "beside": 0}
            if checkpoint is not None:
                place = checkpoint["search"]
            self.beside: int = place["beside"]
            self._whole: Lane[A, P] | None = None
            self._lanes: list[Lane[A, P]] = []
            if "lanes" not in place:
                self._whole = Lane(place["last"], None, place["last"])
                self._lanes.append(self._whole)
            for last, to in place.get("lanes", ()):
                self._lanes.append(Lane(last, to, last))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise ConfigurationError(
                "the job's checkpoint is not one of a search: the source file was "
                "changed while the job was interrupted; begin anew with --restart"
            ) from None

    def __bool__(self) -> bool:
        return bool(self._lanes)

    def __iter__(self) -> Iterator[Lane[A, P]]:
        return iter(list(self._lanes))

    @property
    def live(self) -> int:
        """Lanes that something is left to be asked of."""
        return sum(not lane.ended for lane in self._lanes)

    def idle(self) -> Lane[A, P] | None:
        """A lane whose next page may be asked for."""
        return next((lane for lane in self._lanes if lane.is_idle), None)

    def cut(self, lane: Lane[A, P], middle: str) -> None:
        """Put two lanes in place of one."""
        self._whole = None
        place = self._lanes.index(lane) + 1
        self._lanes[place:place] = lane.cut(middle)

    def forget_done(self) -> None:
        """Leave out what was read and given away."""
        self._lanes = [lane for lane in self._lanes if not lane.is_done]
        for lane in self._lanes:
            if lane.may_give:
                lane.behind = None  # or all that ever were would stay in memory

    def as_checkpoint(self) -> dict[str, Any]:
        """Where a walk goes on behind all pages that were given away."""
        if self._whole is not None:
            return {"search": {"last": self._whole.kept, "beside": self.beside}}
        lanes = [
            [lane.kept, lane.to]
            for lane in self._lanes
            if lane.may_give and not lane.is_done
        ]
        return {"search": {"lanes": lanes, "beside": self.beside}}
