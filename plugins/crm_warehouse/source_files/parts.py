"""Schemas of the parts of a source file; each loads as an object of ``spec``."""

from typing import Any, ClassVar

from marshmallow import ValidationError, post_load, validates_schema

from crm_warehouse.source_files import values
from crm_warehouse.source_files.fields import Number, Text
from crm_warehouse.source_files.strict import StrictSchema
from crm_warehouse.spec import Deletes, Paging, PagingStyle, Quota, Retry


class QuotaSchema(StrictSchema):
    """One limit of the source's account."""

    name = values.name("Word for people, e.g. hourly.")
    requests = Number("Requests allowed in the window.", 1, 1_000_000_000)
    per = values.seconds(
        "Length of the sliding window, e.g. 1h.", attribute="per_seconds"
    )
    kind = values.name(
        "Kind of request that alone counts, by the client's word, e.g. search. "
        "Absent: every request.",
        default="",
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Quota:
        return Quota(**data)


class ExponentialSchema(StrictSchema):
    """Each pause is twice the one before."""

    first = values.seconds("Pause before the first repetition, e.g. 1s.")
    attempts = Number("Repetitions before giving up.", 1, 10)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Retry:
        return Retry(tuple(data["first"] * 2**n for n in range(data["attempts"])))


class FixedSchema(StrictSchema):
    """Every pause is the same."""

    delay = values.seconds("Pause before each repetition, e.g. 30s.")
    attempts = Number("Repetitions before giving up.", 1, 10)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Retry:
        return Retry((data["delay"],) * data["attempts"])


def more_flag() -> Text:
    """Place of a flag by which a source says that more follow."""
    return values.record_path(
        "Place of the flag that says whether more records follow; false ends the list. "
        "Absent: the source has none.",
        attribute="more_path",
        default=(),
    )


def total_place() -> Text:
    """Place of the number of records of a list."""
    return values.record_path(
        "Place of the number of records of the whole list. Absent: total, where the "
        "answer has one.",
        attribute="total_path",
        default=(),
    )


class PagingSchema(StrictSchema):
    """What the styles of paging have in common."""

    style: ClassVar[PagingStyle]

    size_param = values.words("Query parameter of the page size.")
    size = Number("Records asked for per request unless a run says otherwise.", 1, 1000)
    max_size = Number("Most records that the API allows per request.", 1, 1000)

    @validates_schema
    def _check_size(self, data: dict[str, Any], **_: Any) -> None:
        if data["size"] > data["max_size"]:
            raise ValidationError(
                f"{data['size']} is more than max_size, {data['max_size']}", "size"
            )

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Paging:
        return Paging(style=self.style, **{"page_param": "", **data})


class NumberedPagingSchema(PagingSchema):
    """Pages are counted from 1 until the last."""

    style = "number"
    page_param = values.words("Query parameter of the page number.")
    total = total_place()
    total_pages = values.record_path(
        "Place of the number of pages. Absent: total_pages, where the answer has one.",
        attribute="pages_path",
        default=(),
    )


class CursorPagingSchema(PagingSchema):
    """Each page brings the cursor of the next."""

    style = "cursor"
    cursor_param = values.words(
        "Query parameter of the cursor.", attribute="page_param"
    )
    next = values.record_path(
        "Place of the next page's cursor in the answer; the last page has none.",
        attribute="next_path",
    )
    more = more_flag()


class KeysetPagingSchema(PagingSchema):
    """Each page begins behind the last record of the one before; an empty one ends."""

    style = "keyset"
    after_param = values.words(
        "Query parameter of the last record's id.", attribute="page_param"
    )
    after = values.record_path(
        "Place of that id in a record; it need not be the entity's.",
        attribute="next_path",
    )


class OdataPagingSchema(PagingSchema):
    """OData's own words: the records behind the last one, in the order asked for."""

    style = "odata"

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Paging:
        return Paging(style=self.style, page_param="", **data)


class LinkSchema(StrictSchema):
    """Where a record names its parents of one kind."""

    origin = values.record_path("Place of their list in the record.", key="from")
    id = values.record_path("Place of a parent's id in an element of the list.")
    type = values.record_path("Place of the kind of link there.", default=None)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        paths = {"path": "origin", "id_path": "id", "type_path": "type"}
        return {name: data[key] for name, key in paths.items()}


class DeletesSchema(StrictSchema):
    """How a full load decides that a record is gone."""

    confirm_path = values.record_endpoint(
        "Path of one record with {id}; 404 or 410 there confirms a deletion. Absent: "
        "a record must be missing from two full loads.",
        default=None,
    )
    max_share = Number(
        "A full load that misses more than this share of the rows stops instead.",
        0.001,
        1,
        whole=False,
        default=0.2,
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Deletes:
        return Deletes(**data)
