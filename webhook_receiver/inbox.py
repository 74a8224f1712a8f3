"""The inbox in PostgreSQL: a delivery is in it for good, or an error says it is not."""

import logging
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from crm_warehouse.errors import ConfigurationError
from webhook_receiver.delivery import Delivery
from webhook_receiver.settings import Settings
from webhook_receiver.statements import statement

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

# HubSpot gives up after 5 seconds. Waiting for a session and for the statement stays
# below that together, so that the source hears 503 and not silence.
_SESSION_SECONDS = 1.5
_STATEMENT_MS = 1500
#: For a server that took the statement and says nothing: its own limit cannot help.
_ANSWER_SECONDS = 2.0
_MOST_SESSIONS = 8
#: How long the pool tries by itself; after that the next request makes it try. Longer
#: ones would lengthen its pauses, and so the time until a database is noticed again.
_RECONNECT_SECONDS = 5.0


class InboxError(Exception):
    """Nothing was stored as far as we know, and it is our fault."""


class Session(psycopg.Connection[Any]):
    """A connection that does not wait for ever."""

    def wait(
        self, gen: PQGen[_T], interval: float = 0.1, timeout: float | None = None
    ) -> _T:
        """Wait as psycopg does, with a limit."""
        return super().wait(gen, interval, timeout or _ANSWER_SECONDS)


@dataclass(frozen=True, slots=True, repr=False)
class Entry:
    """A verified delivery with its labels."""

    source: str
    request_id: str
    replay_key: str
    content_type: str
    headers: dict[str, str]
    delivery: Delivery


class Inbox:
    """Sessions of one process with the inbox.

    Args:
        settings: Which database, and what is demanded of it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = ConnectionPool(
            settings.conninfo,
            connection_class=Session,
            kwargs={
                "autocommit": True,
                "connect_timeout": 2,
                "application_name": "webhook_receiver",
            },
            min_size=1,
            max_size=_MOST_SESSIONS,
            timeout=_SESSION_SECONDS,
            reconnect_timeout=_RECONNECT_SECONDS,
            configure=self._prepare,
            # A session from before a restart of the database is noticed before use.
            check=ConnectionPool.check_connection,
            open=False,
        )

    def open(self) -> None:
        """Begin to connect, without waiting for it: the database may be away."""
        self._pool.open(wait=False)

    def store(self, entry: Entry) -> None:
        """Commit one delivery; one that was there stays there once.

        Raises:
            InboxError: It is not known to be stored.
        """
        body = entry.delivery.body
        values = {
            "source_system": entry.source,
            "request_id": entry.request_id,
            "replay_key": entry.replay_key,
            "content_type": entry.content_type,
            "headers": Jsonb(entry.headers),
            "url": entry.delivery.url.decode("latin-1"),
            # Level 1: JSON of a hundred events shrinks to a tenth, in a millisecond.
            "body": zlib.compress(body, 1),
            "body_bytes": len(body),
        }
        with self._session() as session:
            session.execute(statement("store_delivery"), values)

    def check(self) -> None:
        """Whether a delivery could be stored now.

        Raises:
            InboxError: No.
        """
        with self._session() as session:
            check_database(session, self._settings)

    @contextmanager
    def _session(self) -> Iterator[Session]:
        try:
            with self._pool.connection() as session:
                yield session
        except (psycopg.Error, ConfigurationError) as error:
            # Its text may show values.
            state = getattr(error, "sqlstate", None) or "-"
            logger.error("inbox: %s %s", type(error).__name__, state)  # noqa: TRY400
            raise InboxError(type(error).__name__) from None

    def _prepare(self, session: psycopg.Connection[Any]) -> None:
        check_database(session, self._settings)
        limit = {"statement_timeout": str(_STATEMENT_MS)}
        session.execute(statement("prepare_session"), limit)


def check_database(session: psycopg.Connection[Any], settings: Settings) -> None:
    """Refuse a database in which an acknowledged delivery is not safe.

    Raises:
        ConfigurationError: With what to do.
    """
    lossy, migrated = session.execute(statement("check_database")).fetchone() or ([], 0)
    if lossy and settings.demand_durable:
        raise ConfigurationError(
            f"the warehouse's PostgreSQL runs with {' and '.join(lossy)} off: a crash "
            "could lose deliveries that were acknowledged. Switch on what is off; only "
            "CRM_WAREHOUSE_ENV=dev does without"
        )
    if not migrated:
        raise ConfigurationError(
            "the warehouse has no table staging.webhook_deliveries; run "
            "`python -m crm_warehouse migrate`"
        )
