"""Schemas of what a source file says of a plain REST API: login, paging, parameters."""

import re
from collections.abc import Callable
from typing import Any, ClassVar, Literal

from marshmallow import ValidationError, post_load, validates_schema

from crm_warehouse.source_files import values
from crm_warehouse.source_files.containers import Named
from crm_warehouse.source_files.fields import Text
from crm_warehouse.source_files.parts import PagingSchema, more_flag, total_place
from crm_warehouse.source_files.strict import StrictSchema
from crm_warehouse.spec import AuthStyle

#: Header fields that the request itself sets, or that would send credentials.
_OUR_FIELDS = frozenset(
    (
        "authorization",
        "connection",
        "content-length",
        "cookie",
        "host",
        "proxy-authorization",
        "transfer-encoding",
    )
)
_SECRET = re.compile(
    r"(?i)token|secret|passw|credential|signature|bearer"
    r"|(api|app|access|auth|private|subscription)[_-]?key|^(key|sig|pwd)$"
)


class BearerSchema(StrictSchema):
    """``Authorization: Bearer`` and the connection's password."""

    style: ClassVar[Literal["bearer", "basic", "api_key"]] = "bearer"

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> AuthStyle:
        prefix = data.pop("prefix", None)
        # The blank that parts a word from the key would be lost in YAML.
        return AuthStyle(self.style, prefix=f"{prefix} " if prefix else "", **data)


class BasicSchema(BearerSchema):
    """HTTP Basic with the connection's login and password; one may be empty."""

    style = "basic"


class ApiKeySchema(BearerSchema):
    """The connection's password in a header field of its own."""

    style = "api_key"
    header = Text(
        "Header field of the key, e.g. X-API-Key.",
        pattern=r"[A-Za-z][A-Za-z0-9-]*",
        hint="is no name of a header field; write e.g. X-API-Key",
    )
    prefix = Text(
        "Word before the key, e.g. Token. Absent: the key alone.",
        pattern=r"[A-Za-z][A-Za-z0-9_-]*",
        hint="is no word; a blank behind it is added",
        default=None,
    )


class OffsetPagingSchema(PagingSchema):
    """A page begins behind so many records."""

    style = "offset"
    offset_param = values.words(
        "Query parameter of the records before the page.", attribute="page_param"
    )
    more = more_flag()
    total = total_place()

    @validates_schema
    def _check_overlap(self, data: dict[str, Any], **_: Any) -> None:
        if data["max_size"] < 2:
            raise ValidationError("must be 2 at least: pages overlap", "max_size")


class NextUrlPagingSchema(PagingSchema):
    """Each page brings the address of the next in its body."""

    style = "next_url"
    next = values.record_path(
        "Place of the next page's address in the answer; the last page has none.",
        attribute="next_path",
    )
    more = more_flag()


class LinkPagingSchema(PagingSchema):
    """Each page brings the address of the next in its header field Link."""

    style = "link"


def header_fields(description: str) -> Named:
    """Header fields by name; none that would be a secret in a file."""
    return Named(
        description,
        Text(
            "A header field.",
            pattern=r"[A-Za-z][A-Za-z0-9-]*",
            hint="is no name of a header field",
            convert=_refusing("header field", _OUR_FIELDS),
        ),
        Text("Its value.", pattern=r"[!-~]([ -~]*[!-~])?", hint="is no header's value"),
        default={},
    )


def query_params(description: str) -> Named:
    """Query parameters by name; none that would be a secret in a file."""
    return Named(
        description,
        Text("A query parameter.", convert=_refusing("parameter", frozenset())),
        Text("Its value."),
        default={},
    )


def _refusing(what: str, ours: frozenset[str]) -> Callable[[str], str]:
    def convert(name: str) -> str:
        if name.lower() in ours or _SECRET.search(name):
            raise ValidationError(
                f"the {what} {name!r} is not for this file: credentials belong in the "
                f"connection; see auth"
            )
        return name

    return convert
