"""The warehouse as triggers reach it."""

from typing import Any

import psycopg
from airflow.sdk import BaseHook
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from crm_warehouse.connections import conninfo
from crm_warehouse.hooks.conversion import await_plain_connection

#: Notice a server that is gone without a word; the connection's own settings win.
_NOTICE_LOSS: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


async def connect(application_name: str) -> psycopg.AsyncConnection[Any]:
    """A session in autocommit mode, where connection ``crm_warehouse`` says.

    Args:
        application_name: What PostgreSQL calls it, unless the connection names one.
    """
    text = conninfo(await await_plain_connection(BaseHook, "crm_warehouse"))
    ours = {"application_name": application_name, **_NOTICE_LOSS}
    missing = ours.keys() - conninfo_to_dict(text).keys()
    options = {name: ours[name] for name in sorted(missing)}
    return await psycopg.AsyncConnection.connect(
        make_conninfo(text, **options), autocommit=True
    )
