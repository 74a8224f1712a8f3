"""What sources call the things that unified columns hold, and their tables."""

import re
from collections.abc import Mapping
from typing import Any

from crm_warehouse.cli.sample import is_day, is_time, leaves
from crm_warehouse.source_files.mapping import columns_of
from crm_warehouse.unified import UNIFIED

#: Unified table -> other words for its records, in the singular.
_TABLES: dict[str, str] = {
    "contacts": "contact customer person people client prospect member patient",
    "leads": "lead deal opportunity opportunitie enquiry enquirie quote estimate",
    "appointments": "appointment meeting visit booking consultation event",
    "companies": "company companie account organization organisation",
    "jobs": "job project order workorder installation",
    "activities": "activity activitie task call note ticket",
    "users": "user employee staff rep owner agent",
    "divisions": "division branch branche location office",
    "marketing_sources": "marketingsource source campaign channel",
}
#: Unified column -> words for it, the surest first; the column's own name besides.
_MARKS = ("deleted", "isdeleted", "deletedat", "datedeleted", "deletedon")
_COLUMNS: dict[str, str] = {
    "first_name": "firstname givenname forename first",
    "last_name": "lastname familyname surname last",
    "email": "email emailaddress primaryemail mail emailvalue",
    "phone": "phone phonenumber mobile mobilephone cell primaryphone telephone"
    " phonevalue",
    "address": "address addressline street street1 line1 address1 addressline1"
    " addressstreet",
    "city": "city town locality",
    "state": "state region province statecode",
    "zip": "zip zipcode postalcode postcode",
    "name": "name title fullname displayname",
    "status": "status state stage statuslabel",
    "lead_source": "leadsource source sourcename",
    "notes": "notes note description comment comments",
    "subject": "subject title summary",
    "type": "type kind category",
    "value": "value amount total price",
    "currency": "currency currencycode valuecurrency",
    "number": "number jobnumber reference code",
    "domain": "domain website url",
    "contact_source_id": "contactid customerid personid clientid leadid",
    "user_source_id": "userid ownerid assignedto assigneeid assignedtoid user owner",
    "scheduled_date": "scheduleddate scheduledat startdate starttime start startat",
    "started_at": "startedat startdate start",
    "completed_at": "completedat enddate finishedat closedat",
    "due_at": "dueat duedate due",
    "expected_close_at": "expectedclosedate closedate",
    "source_created_at": "createdat datecreated created createddate createdtime"
    " creationtime addtime createtime",
    "source_updated_at": "updatedat dateupdated updated lastupdated modifiedat modified"
    " modifieddate lastmodified lastmodifieddate updatetime updatedtime",
}
_TIMES = "timestamp"
_NO_COLUMNS = ("json", "boolean", "integer")


def table_of(entity: str) -> str | None:
    """Unified table whose records an entity's name means, or None."""
    if entity in UNIFIED:
        return entity
    words = {_plain(entity), _plain(entity).removesuffix("s")}
    for table, known in _TABLES.items():
        if words & set(known.split()):
            return table
    return None


def id_of(record: Mapping[str, Any]) -> str:
    """The field that looks most like an id."""
    keys = [key for key, value in record.items() if isinstance(value, int | str)]
    for wanted in ("id", "uuid", "gid", "key"):
        for key in keys:
            if key.lower() == wanted:
                return key
    return next((key for key in keys if key.lower().endswith("id")), "id")


def mark_of(record: Mapping[str, Any]) -> str:
    """Field that only a deleted record has set; empty: there is none."""
    return next((key for key in record if _plain(key) in _MARKS), "")


def columns_from(
    table: str, record: Mapping[str, Any], id_place: str
) -> dict[str, str]:
    """Unified columns that a record seems to fill -> their places.

    A place fills one column; the surest words and the shortest places win.
    """
    found: dict[str, str] = {}
    taken = {id_place}
    for column, field in columns_of(table).items():
        kind = field.metadata["kind"]
        if kind in _NO_COLUMNS:
            continue
        ranked = sorted(
            (rank, place.count(".") + place.count("["), place)
            for place, value in leaves(dict(record))
            if place not in taken
            and (kind != _TIMES or _may_be_time(column, value))
            and (rank := _rank(column, place)) is not None
        )
        if ranked:
            found[column] = ranked[0][2]
            taken.add(ranked[0][2])
    return found


def _may_be_time(column: str, value: Any) -> bool:
    """Whether the value can fill the column; a day tells no newer version."""
    is_version = column == "source_updated_at"
    return value is None or is_time(value) or (is_day(value) and not is_version)


def _rank(column: str, place: str) -> int | None:
    """How surely a place is the column's: 0 is the surest; None: it is not."""
    words = [_plain(column), *_COLUMNS.get(column, "").split()]
    keys = [_plain(key) for key in re.sub(r"\[\d+\]", "", place).split(".")]
    names = {keys[-1]}
    if len(keys) > 1:
        parent = keys[-2].removesuffix("es") if keys[-2].endswith("sses") else keys[-2]
        parent = parent.removesuffix("s") if parent == keys[-2] else parent
        names = {parent + keys[-1]}
        if keys[-1] not in ("id", "value", "name", "type", "number", "title"):
            names.add(keys[-1])
        if keys[-1] in ("number", "value") and "phone" in parent:
            names.add("phone")
    return min((words.index(name) for name in names if name in words), default=None)


def _plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())
