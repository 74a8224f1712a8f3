"""A HubSpot account in memory, behind a scripted server.

Every way of reading writes the same record in its own manner, as the real ones do.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.unit.clients.recording_gate import START
from tests.unit.clients.scripted_server import Reply, Request, as_json

#: Longest body of a search, in characters.
MAX_SEARCH_BODY = 3_000
#: Results that one query gives at most, whatever its cursor.
MAX_RESULTS = 10_000


def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@dataclass
class Portal:
    """Records by id, and how the account behaves.

    Attributes:
        order: How ids are compared: ``number`` or ``text``.
        hidden: Records that the search does not know yet.
        links: Ids and types of what belongs to a record.
        merged: Id of a merged record -> its survivor's.
        before_search: Called with each search, before it is answered.
        before_read: Called with the ids of each batch.
    """

    kind: str = "contacts"
    changed: str = "lastmodifieddate"
    names: list[str] = field(default_factory=lambda: ["firstname", "email"])
    order: str = "number"
    page_size: int = 100
    records: dict[int, dict[str, Any]] = field(default_factory=dict)
    hidden: set[int] = field(default_factory=set)
    links: dict[int, list[tuple[int, list[dict[str, Any]]]]] = field(
        default_factory=dict
    )
    links_page: int = 500
    links_inputs: int = 100
    merged: dict[int, int] = field(default_factory=dict)
    requests: list[tuple[str, Any]] = field(default_factory=list)
    before_search: Callable[[dict[str, Any]], object] = lambda body: None
    before_read: Callable[[list[int]], object] = lambda ids: None

    def add(
        self, *ids: int, changed: datetime | None = None, **properties: Any
    ) -> None:
        moment = iso(changed or START - timedelta(minutes=90))
        for number in ids:
            self.records[number] = {
                "id": str(number),
                "properties": {
                    "hs_object_id": str(number),
                    self.changed: moment,
                    "firstname": f"Person {number}",
                    "email": None,
                    **properties,
                },
                "createdAt": "2025-01-01T00:00:00.000Z",
                "updatedAt": moment,
            }

    def __call__(self, request: Request) -> Reply:
        if request.body:
            self.requests.append((request.path.rpartition("/")[2], request.json))
        else:
            self.requests.append((request.path, request.query))
        steps = request.path.removeprefix("/v1/crm/").split("/")
        match steps:
            case ["v3", "properties", _]:
                return self._properties()
            case ["v3", "objects", _]:
                return self._list(request)
            case ["v3", "objects", _, "search"]:
                return self._search(request)
            case ["v3", "objects", _, "batch", "read"]:
                return self._read(request.json)
            case ["v3", "objects", _, number]:
                return self._one(int(number), request)
            case ["v4", "associations", *_]:
                return self._associations(request.json["inputs"])
        return as_json({}, 404)

    def asked(self, word: str) -> list[Any]:
        """What was asked of an endpoint, in order."""
        return [what for path, what in self.requests if path.endswith(word)]

    def _properties(self) -> Reply:
        names = ["hs_object_id", self.changed, *self.names]
        return as_json({"results": [{"name": name} for name in names]})

    def _list(self, request: Request) -> Reply:
        if len(request.target) > 8_000:
            return as_json({}, 414)
        names = request.query["properties"].split(",")
        begin = int(request.query.get("after", "c0")[1:])
        ids = sorted(self.records)
        limit = min(int(request.query["limit"]), self.page_size)
        results = [self.shown(n, names) for n in ids[begin : begin + limit]]
        for record in results:
            record |= {"archived": False, "url": f"https://app.example/{record['id']}"}
        return as_json({"results": results, **_following(begin + limit, len(ids), "c")})

    def _search(self, request: Request) -> Reply:
        body = request.json
        if len(request.body) > MAX_SEARCH_BODY or body["limit"] > 200:
            return as_json({}, 400)
        self.before_search(body)
        found = [n for n in self.records if n not in self.hidden]
        if groups := body["filterGroups"]:
            found = [
                number
                for number in found
                if any(
                    all(self._holds(number, rule) for rule in group["filters"])
                    for group in groups
                )
            ]
        found.sort(key=self._key)
        begin, end = (
            int(body.get("after", 0)),
            int(body.get("after", 0)) + body["limit"],
        )
        if end > MAX_RESULTS:
            return as_json({}, 400)
        results = [self.shown(n, body["properties"]) for n in found[begin:end]]
        for record in results:
            # Search leaves out what has no value.
            properties = record["properties"]
            record["properties"] = {
                k: v for k, v in properties.items() if v is not None
            }
        return as_json(
            {"total": len(found), "results": results, **_following(end, len(found))}
        )

    def _holds(self, number: int, rule: dict[str, str]) -> bool:
        if rule["propertyName"] == "hs_object_id":
            here, bound_id = self._key(number), self._key(int(rule["value"]))
            behind = rule["operator"] == "GT"
            return bool(here > bound_id if behind else here <= bound_id)
        value = self.records[number]["properties"].get(rule["propertyName"])
        if rule["operator"] == "NOT_HAS_PROPERTY" or value is None:
            return (rule["operator"] == "NOT_HAS_PROPERTY") == (value is None)
        assert int(rule["value"]) > 0, "epoch 0 is a server error"
        moment = milliseconds(value)
        bound = int(rule["value"])
        return moment >= bound if rule["operator"] == "GTE" else moment <= bound

    def _key(self, number: int) -> Any:
        return number if self.order == "number" else str(number)

    def _read(self, body: dict[str, Any]) -> Reply:
        if len(body["inputs"]) > 100:
            return as_json({}, 400)
        asked = [int(each["id"]) for each in body["inputs"]]
        self.before_read(asked)
        there = [self.merged.get(n, n) for n in asked]
        there = [n for n in there if n in self.records]
        # Not in the order asked for.
        results = [self.shown(n, body["properties"]) for n in reversed(there)]
        for record in results:
            record |= {"archived": False, "propertiesWithHistory": {}}
        if len(there) == len(asked):
            return as_json({"status": "COMPLETE", "results": results})
        lost = [str(n) for n in asked if self.merged.get(n, n) not in self.records]
        error = {"category": "OBJECT_NOT_FOUND", "context": {"ids": lost}}
        answer = {"status": "COMPLETE", "results": results, "numErrors": 1}
        return as_json({**answer, "errors": [error]}, 207)

    def _one(self, number: int, request: Request) -> Reply:
        number = self.merged.get(number, number)
        if number not in self.records:
            return as_json({}, 404)
        record = self.shown(number, request.query["properties"].split(","))
        return as_json({**record, "archived": False, "objectWriteTraceId": "t1"})

    def _associations(self, inputs: list[dict[str, str]]) -> Reply:
        if len(inputs) > self.links_inputs:
            return as_json({}, 400)
        results, errors = [], []
        for each in inputs:
            linked = self.links.get(int(each["id"]), [])
            begin = int(each.get("after", 0))
            end = begin + self.links_page
            to = [
                {"toObjectId": number, "associationTypes": types}
                for number, types in linked[begin:end]
            ]
            if linked:
                paging = _following(end, len(linked))
                results.append({"from": {"id": each["id"]}, "to": to, **paging})
            else:
                code = "crm.associations.NO_ASSOCIATIONS_FOUND"
                errors.append({"subCategory": code, "context": {}})
        answer: dict[str, Any] = {"status": "COMPLETE", "results": results}
        if not errors:
            return as_json(answer)
        return as_json({**answer, "errors": errors, "numErrors": len(errors)}, 207)

    def shown(self, number: int, names: list[str]) -> dict[str, Any]:
        record = self.records[number]
        always = {"hs_object_id", self.changed}
        asked = [name for name in record["properties"] if name in {*names, *always}]
        properties = {name: record["properties"][name] for name in asked}
        return {**record, "properties": properties}


def _following(end: int, count: int, prefix: str = "") -> dict[str, Any]:
    return {"paging": {"next": {"after": f"{prefix}{end}"}}} if end < count else {}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def filters(body: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Filters of a search: property, operator, value."""
    (group,) = body["filterGroups"]
    return [(f["propertyName"], f["operator"], f["value"]) for f in group["filters"]]
