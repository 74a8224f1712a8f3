"""The tables of Genius' own database, in any dialect."""

from typing import Any

import sqlalchemy as sa

METADATA = sa.MetaData()
_TEXT = sa.String(255)


def _table(name: str, *columns: sa.Column[Any]) -> sa.Table:
    key = sa.Column("id", sa.Integer, primary_key=True, autoincrement=False)
    return sa.Table(name, METADATA, key, *columns)


def _times() -> tuple[sa.Column[Any], ...]:
    """When a row was made, and last changed: NULL until it first is."""
    return (
        sa.Column("added_on", sa.DateTime, nullable=False, index=True),
        sa.Column("updated_at", sa.DateTime, index=True),
    )


DIVISION_GROUP = _table(
    "division_group", sa.Column("default_time_zone_name", sa.String(64))
)
DIVISION_REGION = _table("division_region", sa.Column("label", _TEXT))
MARKETING_SOURCE_TYPE = _table("marketing_source_type", sa.Column("label", _TEXT))
APPOINTMENT_TYPE = _table("appointment_type", sa.Column("label", _TEXT))

PROSPECT = _table(
    "prospect",
    *(
        sa.Column(name, _TEXT)
        for name in (
            *("first_name", "last_name", "email", "phone", "address", "city"),
            *("state", "zip", "status", "source"),
        )
    ),
    # The same person in other systems.
    sa.Column("hubspot_contact_id", sa.BigInteger),
    sa.Column("marketsharp_id", _TEXT),
    sa.Column("is_dummy", sa.SmallInteger, nullable=False),
    sa.Column("is_dnc", sa.SmallInteger, nullable=False),
    *_times(),
)
APPOINTMENT = _table(
    "appointment",
    sa.Column("prospect_id", sa.Integer),
    sa.Column("user_id", sa.Integer),
    sa.Column("division_id", sa.Integer),
    sa.Column("type_id", sa.Integer),
    sa.Column("status", sa.SmallInteger),
    sa.Column("date", sa.Date),
    sa.Column("time", sa.Time),
    sa.Column("duration", sa.Time),
    sa.Column("notes", sa.Text),
    *_times(),
)
USER_DATA = _table(
    "user_data",
    *(sa.Column(name, _TEXT) for name in ("name", "email", "phone", "role", "status")),
    sa.Column("division_id", sa.Integer),
    sa.Column("password", _TEXT),
    *_times(),
)
DIVISION = _table(
    "division",
    *(sa.Column(name, _TEXT) for name in ("label", "phone", "status")),
    sa.Column("region_id", sa.Integer),
    sa.Column("group_id", sa.Integer),
    sa.Column("manager_user_id", sa.Integer),
)
MARKETING_SOURCE = _table(
    "marketing_source",
    *(sa.Column(name, _TEXT) for name in ("label", "status")),
    sa.Column("type_id", sa.Integer),
    sa.Column("cost_per_lead", sa.Numeric(8, 2)),
)
