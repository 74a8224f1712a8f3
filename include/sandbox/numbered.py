"""Numbered pages of a table, and the faults that numbered pages can have."""

from collections.abc import Mapping
from dataclasses import dataclass

from include.sandbox.faults import Fault
from include.sandbox.parameters import modified_since, whole_number
from include.sandbox.records import Record
from include.sandbox.table import Table


@dataclass(frozen=True, slots=True)
class NumberedPage:
    """One page of a list.

    Attributes:
        records: What the page shows.
        page: Its number, from 1.
        per_page: Most records of a page.
        total: Records of the whole list, as the API says it.
        total_pages: Pages of the whole list, as the API says it.
    """

    records: list[Record]
    page: int
    per_page: int
    total: int
    total_pages: int


def numbered_page(
    table: Table, query: Mapping[str, str], most: int, faults: list[Fault]
) -> NumberedPage:
    """The page that ``page``, ``per_page`` and ``modified_since`` ask for.

    Args:
        table: What is listed.
        query: Parameters of the request.
        most: Most records of a page, and how many there are when not asked.
        faults: Faults that strike; ``repeat_page``, ``loop`` and ``lying_total`` act.

    Raises:
        BadRequestError: A parameter is bad.
    """
    page = whole_number(query, "page", 1)
    per_page = whole_number(query, "per_page", most, most)
    records = table.view(modified_since(query))
    total, source, endless = len(records), page, False
    for fault in faults:
        if fault.kind == "repeat_page":
            source = max(1, page - 1)
        elif fault.kind == "loop":
            first = fault.options.get("page", 1)
            source, endless = min(page, first), endless or page >= first
        elif fault.kind == "lying_total":
            total = max(0, total + fault.options.get("delta", 1))
    return NumberedPage(
        records=records[(source - 1) * per_page : source * per_page],
        page=page,
        per_page=per_page,
        total=total,
        total_pages=page + 1 if endless else -(-total // per_page),
    )
