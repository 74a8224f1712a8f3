"""How an interrupted walk finds its place in a list that went on changing.

A page number is a position, and while a load waits for quota or is dead, deletions pull
records forward past it; with as many creations not even the total tells. So a
checkpoint remembers which records stood on the last page. A resumed walk reads that
page first and steps back until it meets one of them again: whatever stood behind them
then still stands behind them.
"""

from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Anchor:
    """The last page that was kept.

    Attributes:
        begun: Records of the list before it.
        ids: Ids of its records, as they stood.
    """

    begun: int
    ids: list[str | int]

    @classmethod
    def at_page(cls, begun: int, ids: list[Any]) -> Self:
        """Anchor at a page that was read just now.

        Args:
            begun: Records of the list before it.
            ids: Ids of its records, or what stands for them where one has none.
        """
        return cls(begun, [value for value in ids if type(value) in (str, int)])

    @classmethod
    def of_checkpoint(cls, checkpoint: dict[str, Any] | None) -> Self | None:
        """Anchor that :meth:`as_json` stored, or None."""
        kept = (checkpoint or {}).get("last")
        return cls(kept["begun"], kept["ids"]) if kept else None

    def as_json(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"begun": self.begun, "ids": self.ids}

    def holds(self, ids: list[Any]) -> bool:
        """Whether one of the anchor's records is among these."""
        here = {value for value in ids if type(value) in (str, int)}
        return not here.isdisjoint(self.ids)
