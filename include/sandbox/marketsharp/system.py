"""MarketSharp: XML over HTTP, a key in a header, numbered pages without counts."""

import hmac
from collections.abc import Iterable, Mapping
from typing import Any

from include.sandbox.entity_api import EntityApi
from include.sandbox.errors import BadRequestError
from include.sandbox.faults import Fault
from include.sandbox.marketsharp import records as entities
from include.sandbox.marketsharp.attacks import attack
from include.sandbox.marketsharp.odata import SERVICE, ODataService
from include.sandbox.marketsharp.xml import DECLARATION, render_problem
from include.sandbox.messages import Answer, Request
from include.sandbox.numbered import NumberedPage, numbered_page
from include.sandbox.quota import Refusal
from include.sandbox.records import Record
from include.sandbox.settings import Settings
from include.sandbox.table import Table

_MOST_PER_PAGE = 50
_XML = b"application/xml"
#: Entity -> root element of its lists, element of a record.
_ELEMENTS = {
    "contacts": ("Contacts", "Contact"),
    "leads": ("Leads", "Lead"),
    "jobs": ("Jobs", "Job"),
    "activities": ("Activities", "Activity"),
}


class MarketSharp(EntityApi):
    """The MarketSharp API below ``/marketsharp``, as specified, and OData there."""

    name = "marketsharp"
    root = "/marketsharp"
    limit = (500, 3_600.0)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._key = settings.tokens[self.name].encode()
        self._counted_lists = False
        self._odata = ODataService(settings.tokens[self.name], self.clock)

    def build_tables(self) -> Iterable[Table]:
        """Contacts as many as asked, and what happens around them."""
        options = self.settings
        seed, contacts = options.seed, options.size(self.name)
        leads = contacts * 3 // 4
        for blueprint, count in (
            (entities.contacts(seed), contacts),
            (entities.leads(contacts), leads),
            (entities.jobs(contacts, leads), contacts // 3),
            (entities.activities(contacts), contacts),
        ):
            yield Table(blueprint, f"{seed}/{self.name}", count, options.dirty)

    def is_authorized(self, request: Request) -> bool:
        """Whether the key is the sandbox's; of the OData service, its signature."""
        if _set_of(request.path) is not None:
            return self._odata.is_signed(request)
        return hmac.compare_digest(request.header(b"x-api-key"), self._key)

    def route(self, path: str) -> str:
        """The path; that of a record has ``{id}`` in place of its id."""
        name = _set_of(path)
        return super().route(path) if name is None else path

    def answer(self, request: Request, faults: list[Fault]) -> Answer:
        """One record or one page, of either API."""
        name = _set_of(request.path)
        if name is None:
            return super().answer(request, faults)
        return self._odata.answer(name, request.query, self.tables, faults)

    def own_call(
        self, method: str, steps: list[str], call: dict[str, Any]
    ) -> dict[str, Any] | None:
        """``GET odata/truth/<set>``: what the warehouse must hold of an entity set."""
        del call
        match method, steps:
            case "GET", ["odata", "truth", name]:
                return {"rows": self._odata.truth(name, self.tables)}
        return None

    def options(self) -> dict[str, Any]:
        """``counted_lists``: counts as attributes of a list's root element."""
        return {"counted_lists": self._counted_lists}

    def set_option(self, name: str, value: Any) -> None:
        """Switch ``counted_lists``."""
        if name != "counted_lists" or not isinstance(value, bool):
            raise BadRequestError(
                "marketsharp has one setting of its own: counted_lists, bool"
            )
        self._counted_lists = value

    def refuse_credentials(self, request: Request) -> Answer:
        """A key in a header has no challenge."""
        del request
        return self.problem(401, "missing or wrong API key")

    def refuse_quota(self, request: Request, refusal: Refusal) -> Answer:
        """The same refusal as every system's, in XML."""
        answer = super().refuse_quota(request, refusal)
        answer.body, answer.content_type = render_problem("quota used up"), _XML
        return answer

    def problem(self, status: int, message: str) -> Answer:
        """An ``<Error>`` with a ``<Message>``."""
        return Answer(status, render_problem(message), _XML)

    def show_record(self, record: Record) -> Answer:
        """A document of the record alone."""
        return Answer(200, DECLARATION + record.body, _XML)

    def list_records(
        self, table: Table, query: Mapping[str, str], faults: list[Fault]
    ) -> Answer:
        """A document of one root element with a page of records in it."""
        root, element = _ELEMENTS[table.blueprint.name]
        page = numbered_page(table, query, _MOST_PER_PAGE, faults)
        start = root + self._counts(page)
        records = b"".join([record.body for record in page.records])
        body = b"%b<%b>%b</%b>" % (
            DECLARATION, start.encode(), records, root.encode(),
        )  # fmt: skip
        self.shift(table, page.records, faults)
        for fault in faults:
            if fault.kind == "xml_attack":
                body = attack(fault.options["form"], body, root, element)
        return Answer(200, body, _XML)

    def _counts(self, page: NumberedPage) -> str:
        if not self._counted_lists:
            return ""
        return (
            f' page="{page.page}" per_page="{page.per_page}"'
            f' total="{page.total}" total_pages="{page.total_pages}"'
        )


def _set_of(path: str) -> str | None:
    """Entity set that a path of the OData service names; None: of the other API."""
    service = MarketSharp.root + SERVICE + "/"
    return path.removeprefix(service) if path.startswith(service) else None
