"""MarketSharp's OData service: signed requests, Atom feeds, ``$skip`` that moves."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from functools import partial
from html import escape
from typing import Any
from uuid import UUID

from include.sandbox.clock import Clock
from include.sandbox.errors import BadRequestError, UnknownPathError
from include.sandbox.faults import Fault
from include.sandbox.marketsharp.attacks import attack
from include.sandbox.marketsharp.odata_filter import Row, parse_filter, sort_key
from include.sandbox.marketsharp.odata_sets import SETS, Tables, records_of
from include.sandbox.messages import Answer, Request
from include.sandbox.parameters import whole_number

#: Path below the system's root.
SERVICE = "/WcfDataService.svc"
#: What a connection needs besides the key: invented, and worth nothing elsewhere.
COMPANY = "4711"
SECRET = base64.b64encode(b"invented secret of the sandbox").decode()
#: A signature is refused when its time is off by more.
_SKEW_SECONDS = 300.0
_MOST_PER_PAGE = 5_000
_ATOM = b"application/atom+xml;type=feed;charset=utf-8"
_HEAD = (
    '<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom" '
    'xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices" '
    'xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">'
    '<title type="text">{}</title><updated>2026-01-01T00:00:00Z</updated>'
)
_META = "http://schemas.microsoft.com/ado/2007/08/dataservices"


class ODataService:
    """The service over the tables of the specified API.

    Args:
        key: The API key.
        clock: What its answers are dated by.
    """

    def __init__(self, key: str, clock: Clock) -> None:
        self._key = key
        self._clock = clock
        self._shown: dict[str, list[Row]] = {}
        #: Set and order -> editions of the tables, and the rows as they were then.
        self._sorted: dict[tuple[str, str], tuple[list[int], list[Row]]] = {}

    def is_signed(self, request: Request) -> bool:
        """Whether the company's key signed the request, at about our time."""
        sent = request.header(b"authorization").decode("latin-1")
        parts = sent.split(":")
        if len(parts) != 4 or not parts[2].isdecimal():
            return False
        off = abs(int(parts[2]) - self._clock.now().timestamp())
        message = f"{COMPANY}{self._key}{parts[2]}".encode()
        digest = hmac.new(base64.b64decode(SECRET), message, hashlib.sha256).digest()
        right = f"{COMPANY}:{self._key}:{parts[2]}:{base64.b64encode(digest).decode()}"
        return off <= _SKEW_SECONDS and hmac.compare_digest(sent, right)

    def answer(
        self, name: str, query: Mapping[str, str], tables: Tables, faults: list[Fault]
    ) -> Answer:
        """One page of an entity set.

        Args:
            name: The set.
            query: What is asked for.
            tables: Of the specified API.
            faults: Faults that strike; those about pages act.
        """
        if name not in SETS:
            return problem(404, "Resource not found for the segment")
        kinds = {fault.kind for fault in faults}
        if "loop" in kinds:
            query = {key: each for key, each in query.items() if key != "$filter"}
        try:
            rows, total = self._page(name, query, tables)
        except BadRequestError as error:
            return problem(400, str(error))
        for fault in faults:
            rows, total = _suffer(fault, rows, total, self._shown.get(name, rows))
        self._shown[name] = rows
        if "page_shift" in kinds:
            self._delete_first(name, rows, tables)
        counted = query.get("$inlinecount") == "allpages"
        body = _feed(name, rows, total if counted else None)
        for fault in faults:
            if fault.kind == "xml_attack":
                body = attack(fault.options["form"], body, "feed", "entry")
        return Answer(200, body, _ATOM)

    def _page(
        self, name: str, query: Mapping[str, str], tables: Tables
    ) -> tuple[list[Row], int]:
        rows = self._ordered(name, query.get("$orderby", SETS[name].key), tables)
        if rows and "$filter" in query:
            passes = parse_filter(query["$filter"], set(rows[0]))
            rows = [row for row in rows if passes(row)]
        total = len(rows)
        skip = int(query.get("$skip", "0"))
        top = whole_number(query, "$top", _MOST_PER_PAGE, _MOST_PER_PAGE)
        return rows[skip : skip + top], total

    def _ordered(self, name: str, order: str, tables: Tables) -> list[Row]:
        """All rows of a set; made anew only when records have changed."""
        editions = [table.edition for table in tables.values()]
        known = self._sorted.get((name, order))
        if known is not None and known[0] == editions:
            return known[1]
        rows = list(SETS[name].rows(tables))
        for part in reversed(order.split(",")):
            if rows and part not in rows[0]:
                raise BadRequestError(f"$orderby: no property {part!r}")
            rows.sort(key=partial(_place, part))
        self._sorted[name, order] = editions, rows
        return rows

    def _delete_first(self, name: str, shown: list[Row], tables: Tables) -> None:
        """Delete the first record shown: it is inactive from now on, and goes last."""
        first = next((row for row in shown if row.get("isActive")), None)
        table = tables.get(SETS[name].table)
        if first is None or table is None:
            return
        rows = list(SETS[name].rows(tables))
        table.remove(records_of(table)[rows.index(first)], self._clock.now())

    def truth(self, name: str, tables: Tables) -> list[dict[str, Any]]:
        """What must become of the rows of a set, its inactive ones left out."""
        if name not in SETS:
            raise UnknownPathError(
                f"no entity set {name!r}; there are {', '.join(SETS)}"
            )
        return list(SETS[name].truth_lines(tables))


def _suffer(
    fault: Fault, rows: list[Row], total: int, former: list[Row]
) -> tuple[list[Row], int]:
    """Rows and their number as a fault would have them."""
    match fault.kind:
        case "repeat_page":
            rows = former
        case "short_page":
            rows = rows[: max(1, len(rows) // 2)]
        case "empty_page":
            rows = []
        case "shuffle_page":
            rows = rows[::-1]
        case "lying_total":
            total = max(0, total + fault.options.get("delta", 1))
    return rows, total


def problem(status: int, message: str) -> Answer:
    """What the service says of a request that it refuses."""
    body = (
        f'<?xml version="1.0" encoding="utf-8"?><m:error xmlns:m="{_META}/metadata">'
        f'<m:code/><m:message xml:lang="en-US">{escape(message)}</m:message></m:error>'
    )
    return Answer(status, body.encode(), b"application/xml")


def _place(name: str, row: Row) -> tuple[bool, Any]:
    """Place of a row by one of its properties; null comes first."""
    value = row[name]
    return value is not None, sort_key(value) if value is not None else ()


def _feed(name: str, rows: list[Row], total: int | None) -> bytes:
    count = "" if total is None else f"<m:count>{total}</m:count>"
    entries = "".join([_entry(name, row) for row in rows])
    return f"{_HEAD.format(name)}{count}{entries}</feed>".encode()


def _entry(name: str, row: Row) -> str:
    key = row[SETS[name].key]
    properties = "".join([_property(*pair) for pair in row.items()])
    return (
        f"<entry><id>http://service/{name}({key})</id><title/><author><name/></author>"
        f'<link rel="edit" title="{name}" href="{name}({key})"/>'
        f'<content type="application/xml"><m:properties>{properties}</m:properties>'
        "</content></entry>"
    )


def _property(name: str, value: Any) -> str:
    match value:
        case None:
            return f'<d:{name} m:null="true"/>'
        case bool():
            return f'<d:{name} m:type="Edm.Boolean">{str(value).lower()}</d:{name}>'
        case int():
            return f'<d:{name} m:type="Edm.Int32">{value}</d:{name}>'
        case UUID():
            return f'<d:{name} m:type="Edm.Guid">{value}</d:{name}>'
        case _ if name.endswith(("Date", "lastUpdate")):
            return f'<d:{name} m:type="Edm.DateTime">{value}</d:{name}>'
        case "":
            return f"<d:{name}></d:{name}>"
        case list():
            inner = "".join(f"<d:element>{escape(each)}</d:element>" for each in value)
            return f'<d:{name} m:type="Collection(Edm.String)">{inner}</d:{name}>'
    return f"<d:{name}>{escape(str(value), quote=False)}</d:{name}>"
