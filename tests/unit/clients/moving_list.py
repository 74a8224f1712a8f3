"""A list endpoint cut into numbered pages, whose records come and go meanwhile."""

from collections.abc import Callable, Iterable
from typing import Any

from tests.unit.clients.scripted_server import Reply, Request, as_json

#: Called with the list before its n-th request (from 1) is answered.
Change = Callable[[list[int], int], None]


class MovingList:
    """Serves ids by position.

    Args:
        ids: The records, in order.
        change: What happens to them between requests.
        cap: Most records the source sends per page, whatever is asked.
        least: Fewest records the source sends per page, whatever is asked.
        envelope: Counters that the envelope shows; empty: a bare list.
    """

    def __init__(
        self,
        ids: Iterable[int],
        *,
        change: Change = lambda ids, request: None,
        cap: int = 1000,
        least: int = 1,
        envelope: tuple[str, ...] = ("per_page", "total", "total_pages"),
    ) -> None:
        self.ids = list(ids)
        self.asked: list[tuple[int, int]] = []
        self._change = change
        self._cap = cap
        self._least = least
        self._envelope = envelope

    def __call__(self, request: Request) -> Reply:
        page, asked = int(request.query["page"]), int(request.query["per_page"])
        self.asked.append((page, asked))
        self._change(self.ids, len(self.asked))
        return as_json(self.page(page, asked))

    def page(self, page: int, asked: int) -> Any:
        size = max(self._least, min(asked, self._cap))
        records = [{"id": n} for n in self.ids[(page - 1) * size : page * size]]
        counters = {
            "per_page": size,
            "total": len(self.ids),
            "total_pages": -(-len(self.ids) // size),
        }
        shown = {name: counters[name] for name in self._envelope}
        return {"data": records, **shown} if self._envelope else records

    @property
    def pages(self) -> list[int]:
        return [page for page, _ in self.asked]


def at_request(number: int, act: Callable[[list[int]], None]) -> Change:
    """A change that happens once, before the given request is answered."""

    def change(ids: list[int], request: int) -> None:
        if request == number:
            act(ids)

    return change
