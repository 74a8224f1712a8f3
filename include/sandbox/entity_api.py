"""An API that is read by ``GET /<entity>`` and ``GET /<entity>/<id>``."""

from abc import abstractmethod
from collections.abc import Mapping

from include.sandbox.errors import BadRequestError
from include.sandbox.faults import Fault
from include.sandbox.messages import Answer, Request, error_answer
from include.sandbox.records import Record
from include.sandbox.system import System
from include.sandbox.table import Table


class EntityApi(System):
    """A system whose paths are its entities. A subclass lists and shows records."""

    @abstractmethod
    def list_records(
        self, table: Table, query: Mapping[str, str], faults: list[Fault]
    ) -> Answer:
        """One page of records.

        Raises:
            BadRequestError: A parameter is bad.
        """

    def show_record(self, record: Record) -> Answer:
        """One record: as it stands in a list, unless a subclass shows it otherwise."""
        return Answer(200, record.body)

    def problem(self, status: int, message: str) -> Answer:
        """An answer that says what is wrong, in the words of this API."""
        return error_answer(status, message)

    def route(self, path: str) -> str:
        """The path with ``{id}`` in place of an id."""
        entity, _, key = path.removeprefix(self.root).strip("/").partition("/")
        if entity not in self.tables:
            return "(unknown path)"
        return f"{self.root}/{entity}/{{id}}" if key else f"{self.root}/{entity}"

    def answer(self, request: Request, faults: list[Fault]) -> Answer:
        """One record, or one page of records."""
        below = request.path.removeprefix(self.root)
        entity, _, key = below.strip("/").partition("/")
        if not request.path.startswith(self.root + "/") or entity not in self.tables:
            return self.problem(404, "no such path")
        if request.method != "GET":
            return self.problem(405, "only GET is allowed")
        table = self.tables[entity]
        if key:
            record = table.find(key)
            return (
                self.show_record(record)
                if record
                else self.problem(404, "no such record")
            )
        try:
            return self.list_records(table, request.query, faults)
        except BadRequestError as error:
            return self.problem(400, str(error))

    def shift(self, table: Table, shown: list[Record], faults: list[Fault]) -> None:
        """Let ``page_shift`` delete the first record shown: the next page moves up."""
        if shown and any(fault.kind == "page_shift" for fault in faults):
            table.remove(shown[0], self.clock.now())
