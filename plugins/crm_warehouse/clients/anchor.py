"""How an interrupted walk finds its place in a list that went on changing.

A page number is a position, and while a load waits for quota or is dead, deletions pull
records forward past it; with as many creations not even the total tells. So a
checkpoint remembers which records stood on the last page. A resumed walk reads that
page first and steps back until it meets one of them again: whatever stood behind them
then still stands behind them.
"""

from dataclasses import dataclass
from typing import Any, Self

from crm_warehouse.clients.listing import Listing, value_at
from crm_warehouse.spec import Path


@dataclass(frozen=True, slots=True)
class Anchor:
    """The last page that was kept.

    Attributes:
        begun: Records of the list before it.
        ids: Ids of its records.
    """

    begun: int
    ids: frozenset[str | int]

    @classmethod
    def of_page(cls, begun: int, listing: Listing, id_path: Path) -> Self:
        """Anchor at a page that was read just now."""
        return cls(begun, frozenset(_ids(listing, id_path)))

    @classmethod
    def of_checkpoint(cls, checkpoint: dict[str, Any] | None) -> Self | None:
        """Anchor that :meth:`as_json` stored, or None."""
        kept = (checkpoint or {}).get("last")
        return cls(kept["begun"], frozenset(kept["ids"])) if kept else None

    def as_json(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"begun": self.begun, "ids": sorted(self.ids, key=str)}

    def holds(self, listing: Listing, id_path: Path) -> bool:
        """Whether one of the anchor's records stands on this page."""
        return not self.ids.isdisjoint(_ids(listing, id_path))


def _ids(listing: Listing, id_path: Path) -> list[str | int]:
    found = [value_at(record, id_path) for record in listing.records]
    return [value for value in found if type(value) in (str, int)]
