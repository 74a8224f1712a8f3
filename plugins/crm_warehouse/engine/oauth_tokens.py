"""The newest OAuth tokens of each connection, sealed, for all processes."""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import class_row

from crm_warehouse.clients.oauth import AccessToken, Grant
from crm_warehouse.connections.oauth import OAuthSettings
from crm_warehouse.engine.gate import with_options
from crm_warehouse.engine.queries import query
from crm_warehouse.errors import TransientSourceError
from crm_warehouse.sealing import Sealer

#: One process asks the source at a time; the others wait for as long as that usually
#: takes, and then ask again as after any fault. A holder that hangs is cut off by the
#: server, later than its request ends.
_SESSION_OPTIONS = (
    "-c lock_timeout=30s -c idle_in_transaction_session_timeout=180s"
    " -c synchronous_commit=on"
)
#: Threads wait for the one that connects, unless the connection string says otherwise.
_CONNECT_SECONDS = 10


Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True, repr=False)
class _Row:
    seed: str | None
    former_seeds: list[str]
    generation: int
    refresh_token: str | None
    access_token: str | None
    seconds_left: float


class StoredTokens:
    """The :class:`crm_warehouse.clients.oauth.TokenStore` in ``ops.oauth_tokens``.

    Args:
        conninfo: Warehouse; a connection is opened for each refresh only.
        environ: Where the sealing key is looked up.
    """

    def __init__(self, conninfo: str, environ: Mapping[str, str] = os.environ) -> None:
        self._conninfo = conninfo
        self._environ = environ

    def newest(
        self,
        settings: OAuthSettings,
        used: int,
        refresh: Callable[[str], Grant],
    ) -> AccessToken:
        """The newest access token; see :class:`TokenStore`.

        Raises:
            ConfigurationError: The sealing key is missing, or not the one of the row.
            TransientSourceError: The warehouse does not answer, or another process has
                been asking the source for long.
        """
        # Before the source is asked: what it gives must not be lost for want of a key.
        sealer = Sealer.from_environment(self._environ)
        try:
            with self._connect() as conn:
                return _newest(conn, sealer, settings, used, refresh)
        except psycopg.OperationalError as error:
            raise TransientSourceError(
                "the warehouse, which keeps the OAuth tokens, does not answer"
                f" ({type(error).__name__})"
            ) from error

    def _connect(self) -> Connection:
        given = conninfo_to_dict(self._conninfo)
        return psycopg.connect(
            self._conninfo,
            application_name="crm_warehouse oauth",
            connect_timeout=given.get("connect_timeout") or _CONNECT_SECONDS,
            options=with_options(self._conninfo, _SESSION_OPTIONS),
        )


def _newest(
    conn: Connection,
    sealer: Sealer,
    settings: OAuthSettings,
    used: int,
    refresh: Callable[[str], Grant],
) -> AccessToken:
    # Tokens of one app are of no use to another; its secret may change.
    names = {
        "connection_id": settings.connection_id,
        "app": _digest(settings.client_id),
    }
    purpose = f"oauth|{settings.connection_id}"
    seed = _digest(settings.refresh_token)
    row = _lock(conn, names)
    is_new = row.seed is None or seed not in (row.seed, *row.former_seeds)
    if not is_new and row.generation > used and row.seconds_left > 0:
        text = sealer.open(row.access_token or "", purpose)
        return AccessToken(text, row.generation, row.seconds_left)
    if is_new:
        refresh_token = settings.refresh_token
    else:
        seed = row.seed or seed
        refresh_token = sealer.open(row.refresh_token or "", purpose)
    grant = refresh(refresh_token)
    values = {
        **names,
        "seed": seed,
        "former_seeds": [
            each for each in (*row.former_seeds, row.seed) if each not in (None, seed)
        ],
        "refresh_token": sealer.seal(grant.refresh_token or refresh_token, purpose),
        "access_token": sealer.seal(grant.access_token, purpose),
        "expires_in": grant.seconds,
    }
    saved = conn.execute(query("save_oauth_token"), values).fetchone()
    assert saved is not None  # noqa: S101  its row is locked
    return AccessToken(grant.access_token, saved[0], grant.seconds)


def _lock(conn: Connection, names: dict[str, str]) -> _Row:
    with conn.cursor(row_factory=class_row(_Row)) as cursor:
        row = cursor.execute(query("lock_oauth_token"), names).fetchone()
    assert row is not None  # noqa: S101  the statement makes the row if need be
    return row


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
