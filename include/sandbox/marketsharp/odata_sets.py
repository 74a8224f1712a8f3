"""The same people as the specified API's, in the shapes of MarketSharp's OData service.

Every entity set is made of the tables of the specified API: a contact's numbers and its
address are rows of their own, an appointment belongs to every second lead. What was
deleted there is inactive here, in the sets that say so.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from include.sandbox import words
from include.sandbox.clock import iso, parse_moment
from include.sandbox.marketsharp.odata_filter import Row
from include.sandbox.records import Fields, Record
from include.sandbox.table import Table
from include.sandbox.truth import truth_line

#: Zone of the times, which name none.
ZONE = ZoneInfo("America/New_York")
_NAMES = UUID("9b1a6f8e-5a0e-4c8f-9d5b-0f4f6f6b7c11")
_COMPANY = 4711
_STATUSES = ("New", "Set", "Issued", "Demo No Sale", "Sold")
_REASONS = ("Sold", "No Sale", "Reset", "Not Home")
_EMPLOYEES = 40
#: What records with a certain defect have besides.
_STRANGE = ("RoofPitch", "Tag")

Tables = dict[str, Table]


@dataclass(frozen=True, slots=True)
class EntitySet:
    """One entity set.

    Attributes:
        key: Property of its ids.
        rows: Its rows, in any order.
        truth: What the warehouse must hold of a row.
        table: Whose records have one row each, in the order of :func:`records_of`;
            empty: it is no table's.
    """

    key: str
    rows: Callable[[Tables], Iterator[Row]]
    truth: Callable[[Row], Fields]
    table: str = ""

    def truth_lines(self, tables: Tables) -> Iterator[Fields]:
        """What must become of its rows, the inactive ones left out."""
        table = tables.get(self.table)
        known = table.blueprint.defects if table else {}
        records = records_of(table) if table else itertools.repeat(None)
        for row, record in zip(self.rows(tables), records, strict=table is not None):
            if row.get("isActive", True):
                source_id = str(row[self.key]) if row[self.key] else None
                defect = record.defect if record else None
                yield truth_line(source_id, defect, known, partial(self.truth, row))


def uuid_of(entity: str, number: object) -> UUID:
    """Id of a record that the specified API calls by a number."""
    return uuid5(_NAMES, f"{entity}/{number}")


def local(moment: datetime | None) -> str | None:
    """What a clock on the wall shows."""
    if moment is None:
        return None
    return moment.astimezone(ZONE).replace(tzinfo=None).isoformat(timespec="seconds")


def instant(text: str | None) -> str | None:
    """The instant that is meant, of two the first; None: none is."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return iso(moment.replace(tzinfo=ZONE))


def records_of(table: Table) -> tuple[Record, ...]:
    """Its records, deleted ones behind the others."""
    return (*table.live.values(), *table.graves.values())


def _all(table: Table) -> Iterator[tuple[Record, Fields, Row]]:
    """Records, deleted ones too; with their times and whether they are active."""
    for record in records_of(table):
        fields = table.blueprint.parse(record.body)
        changed = table.deleted.get(record.key)
        if changed is None:
            changed = parse_moment(fields.get("ModifiedDate"))
        created = fields.get("CreatedDate")
        yield (
            record,
            fields,
            {
                # One that is bad is bad here, too.
                "createdDate": local(parse_moment(created)) or created,
                "lastUpdate": local(changed),
                "isActive": record.key in table.live,
                **{name: fields[name] for name in _STRANGE if name in fields},
            },
        )


def _own_id(entity: str, record: Record, fields: Fields) -> UUID | None:
    """Id of a record, where it has one."""
    return uuid_of(entity, record.key) if fields.get("ID") else None


def _contacts(tables: Tables) -> Iterator[Row]:
    for record, fields, common in _all(tables["contacts"]):
        yield {
            "companyId": _COMPANY,
            "id": _own_id("contacts", record, fields),
            "firstName": fields.get("FirstName"),
            "lastName": fields.get("LastName"),
            "middleInitial": None,
            "email1": fields.get("Email"),
            "email2": None,
            "contactPhoneId": uuid_of("contacts", record.key),
            "primaryAddressId": uuid_of("addresses", record.key),
            "doNotMail": record.key % 7 == 0,
            **common,
        }


def _phones(tables: Tables) -> Iterator[Row]:
    for record, fields, common in _all(tables["contacts"]):
        if not common["isActive"]:
            continue  # a set without isActive: such rows are not there any more
        phone, odd = fields.get("Phone"), record.key % 2
        yield {
            "contactId": uuid_of("contacts", record.key),
            "cellPhone": "" if odd else phone,
            "homePhone": phone if odd else None,
            "workPhone": None,
        }


def _addresses(tables: Tables) -> Iterator[Row]:
    for record, fields, common in _all(tables["contacts"]):
        yield {
            "id": uuid_of("addresses", record.key),
            "contactId": uuid_of("contacts", record.key),
            "line1": fields.get("Address"),
            "line2": None,
            "city": fields.get("City"),
            "state": fields.get("State"),
            "zip": fields.get("ZipCode"),
            "county": None,
            "country": "US",
            "isActive": common["isActive"],
        }


def _inquiries(tables: Tables) -> Iterator[Row]:
    for record, fields, common in _all(tables["leads"]):
        contact, source = fields.get("ContactID"), fields.get("Source")
        yield {
            "id": _own_id("leads", record, fields),
            "contactId": uuid_of("contacts", contact) if contact else None,
            "description": None,
            "inquirySourcePrimaryId": uuid_of("sources", source) if source else None,
            "inquiryStatusId": _status_number(fields.get("Status")),
            "note": fields.get("Notes"),
            **common,
        }


def _status_number(status: str | None) -> int | None:
    return _STATUSES.index(status) + 1 if status in _STATUSES else None


def _appointments(tables: Tables) -> Iterator[Row]:
    for record, fields, common in _all(tables["leads"]):
        if record.key % 2:
            continue
        yield {
            "id": uuid_of("appointments", record.key),
            "inquiryId": uuid_of("leads", record.key),
            "appointmentDate": local(record.created + timedelta(days=3)),
            "salesperson1Id": uuid_of("employees", record.key % _EMPLOYEES),
            "type": "Sales",
            "note": fields.get("Notes"),
            "resultReason": _REASONS[record.key // 2 % len(_REASONS)],
            **common,
        }


def _jobs(tables: Tables) -> Iterator[Row]:
    for record, fields, common in _all(tables["jobs"]):
        contact, lead = fields.get("ContactID"), fields.get("LeadID")
        yield {
            "id": _own_id("jobs", record, fields),
            "contactId": uuid_of("contacts", contact) if contact else None,
            "inquiryId": uuid_of("leads", lead) if lead else None,
            "number": fields.get("Number"),
            "name": fields.get("Name"),
            "type": fields.get("Type"),
            "status": fields.get("Status"),
            "note": fields.get("Notes"),
            "startDate": local(parse_moment(fields.get("StartDate"))),
            "completedDate": local(parse_moment(fields.get("CompletedDate"))),
            **common,
        }


def _activities(tables: Tables) -> Iterator[Row]:
    for record, fields, common in _all(tables["activities"]):
        contact = fields.get("ContactID")
        yield {
            "id": _own_id("activities", record, fields),
            "contactId": uuid_of("contacts", contact) if contact else None,
            "name": fields.get("Subject"),
            "type": fields.get("Type"),
            "dueDate": local(parse_moment(fields.get("DueDate"))),
            "completedDate": local(parse_moment(fields.get("CompletedDate"))),
            "notes": fields.get("Notes"),
            **common,
        }


def _employees(_tables: Tables) -> Iterator[Row]:
    for number in range(_EMPLOYEES):
        first = list(words.FIRST_NAMES)[number % 20]
        name = f"{first} {words.SURNAME_HEADS[number % 8]}ley"
        yield {
            "id": uuid_of("employees", number),
            "name": name,
            "isActive": True,
            "lastUpdate": f"2025-03-{number % 28 + 1:02d}T08:00:00",
        }


def _statuses(_tables: Tables) -> Iterator[Row]:
    for number, name in enumerate(_STATUSES, 1):
        yield {"id": number, "companyId": _COMPANY, "name": name, "isActive": True}


def _sources(_tables: Tables) -> Iterator[Row]:
    for name in words.CHANNELS:
        yield {"id": uuid_of("sources", name), "name": name, "isActive": True}


def _truth(**columns: str) -> Callable[[Row], Fields]:
    """Unified columns <- properties; times end in ``_at`` or ``_date``."""

    def truth(row: Row) -> Fields:
        found: Fields = {}
        for column, name in columns.items():
            value = row[name]
            if column.endswith(("_at", "_date")):
                value = instant(value)
            elif isinstance(value, UUID | int):
                value = str(value)
            found[column] = value
        return found

    return truth


_TIMES = {"source_created_at": "createdDate", "source_updated_at": "lastUpdate"}


def _phone_truth(row: Row) -> Fields:
    numbers = [row[name] for name in ("cellPhone", "homePhone", "workPhone")]
    filled = [number for number in numbers if number]
    empty = "" if "" in numbers else None
    return {
        "contact_source_id": str(row["contactId"]),
        "phone": filled[0] if filled else empty,
    }


#: Entity set of the service -> what it is.
SETS: dict[str, EntitySet] = {
    "Contacts": EntitySet(
        "id",
        _contacts,
        _truth(
            first_name="firstName", last_name="lastName", email="email1",
            address_source_id="primaryAddressId", **_TIMES,
        ),
        table="contacts",
    ),
    "ContactPhones": EntitySet("contactId", _phones, _phone_truth),
    "Addresses": EntitySet(
        "id",
        _addresses,
        _truth(
            contact_source_id="contactId", address="line1", city="city", state="state",
            zip="zip", country="country",
        ),
    ),
    "Inquiries": EntitySet(
        "id",
        _inquiries,
        _truth(
            contact_source_id="contactId", stage_source_id="inquiryStatusId",
            status="inquiryStatusId", lead_source="inquirySourcePrimaryId",
            notes="note", **_TIMES,
        ),
        table="leads",
    ),
    "Appointments": EntitySet(
        "id",
        _appointments,
        _truth(
            lead_source_id="inquiryId", user_source_id="salesperson1Id",
            scheduled_date="appointmentDate", status="resultReason", type="type",
            notes="note", **_TIMES,
        ),
    ),
    "Jobs": EntitySet(
        "id",
        _jobs,
        _truth(
            contact_source_id="contactId", number="number", name="name",
            status="status", type="type", started_at="startDate",
            completed_at="completedDate", notes="note", **_TIMES,
        ),
        table="jobs",
    ),
    "Activities": EntitySet(
        "id",
        _activities,
        _truth(
            contact_source_id="contactId", type="type", subject="name",
            due_at="dueDate", completed_at="completedDate", notes="notes", **_TIMES,
        ),
        table="activities",
    ),
    "Employees": EntitySet("id", _employees, _truth(name="name")),
    "InquiryStatuses": EntitySet("id", _statuses, _truth(name="name", stage="id")),
    "InquirySourcePrimaries": EntitySet("id", _sources, _truth(name="name")),
}  # fmt: skip
