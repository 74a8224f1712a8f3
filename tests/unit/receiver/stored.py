"""What is in the inbox."""

import zlib
from typing import Any

import psycopg
from psycopg.rows import dict_row


def deliveries(conninfo: str) -> list[dict[str, Any]]:
    """Stored deliveries in order, ``body`` as the bytes that were signed."""
    with psycopg.connect(conninfo, row_factory=dict_row) as conn:
        found = conn.execute(
            "SELECT * FROM staging.webhook_deliveries ORDER BY id"
        ).fetchall()
    return [{**row, "body": zlib.decompress(row["body"])} for row in found]


def bodies(conninfo: str) -> list[bytes]:
    return [row["body"] for row in deliveries(conninfo)]
