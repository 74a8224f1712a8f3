"""The inbox in PostgreSQL: a delivery is in it for good, or an error says it is not."""

import json
import logging
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from crm_warehouse.errors import ConfigurationError
from webhook_receiver.announcer import Announcer
from webhook_receiver.delivery import Delivery
from webhook_receiver.metrics import session_in_use
from webhook_receiver.pool import Pool
from webhook_receiver.session import Session
from webhook_receiver.settings import Settings
from webhook_receiver.statements import statement

logger = logging.getLogger(__name__)

#: For the server; see also ``pool.py``.
_STATEMENT_MS = 1500


class InboxError(Exception):
    """Nothing was stored as far as we know, and it is our fault."""


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
        self._pool = Pool(settings.conninfo, self._prepare)
        self._announcer = Announcer(settings.conninfo)

    def open(self) -> None:
        """Begin to connect, without waiting for it: the database may be away."""
        self._pool.open()

    def store(self, entry: Entry) -> None:
        """Commit one delivery and announce it; one that was there stays there once.

        Raises:
            InboxError: It is not known to be stored.
        """
        body = entry.delivery.body
        values = (
            entry.source,
            entry.request_id,
            entry.replay_key,
            entry.content_type,
            json.dumps(entry.headers),
            entry.delivery.url.decode("latin-1"),
            # Level 1: JSON of a hundred events shrinks to a tenth, in a millisecond.
            zlib.compress(body, 1),
            len(body),
        )
        with self._session() as session:
            is_new = session.execute(statement("store_delivery"), values).rowcount
            if not is_new:
                # Whoever stored it may have got 503: committed here, not on a standby.
                session.execute(statement("confirm_delivery"))
        if is_new:
            self._announcer.announce()

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
            with self._pool.session() as session, session_in_use():
                try:
                    yield session
                except psycopg.OperationalError:
                    raise
                except psycopg.Error:
                    # It is of a standby, or of another role, or forgot what was
                    # prepared, and will fail again: another one may do better. What
                    # is of the moment (locked, cancelled, a full disk), as above, says
                    # nothing about the session.
                    session.close()
                    raise
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
    found = session.execute(statement("check_database")).fetchone()
    lossy, is_migrated, is_unlogged, is_read_only, may_insert = found or (
        [],
        *[False] * 4,
    )
    if lossy and settings.demand_durable:
        raise ConfigurationError(
            f"the warehouse's PostgreSQL runs with {' and '.join(lossy)} off: a crash "
            "could lose deliveries that were acknowledged. Switch on what is off; only "
            "CRM_WAREHOUSE_ENV=dev does without"
        )
    if not is_migrated:
        raise ConfigurationError(
            "the warehouse has no table staging.webhook_deliveries; run "
            "`python -m crm_warehouse migrate`"
        )
    if is_unlogged:
        raise ConfigurationError(
            "staging.webhook_deliveries is unlogged: a crash would empty it. Run "
            "`ALTER TABLE staging.webhook_deliveries SET LOGGED`"
        )
    if is_read_only:
        # A standby, which may be promoted: no reason not to start.
        raise psycopg.errors.ReadOnlySqlTransaction
    if not may_insert:
        raise ConfigurationError(
            "the warehouse's role may not write to staging.webhook_deliveries: grant "
            "it INSERT there"
        )
