"""The newest OAuth tokens of each connection, sealed, for all processes."""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

from crm_warehouse.clients.oauth import AccessToken, Grant
from crm_warehouse.connections.oauth import OAuthSettings
from crm_warehouse.engine.gate import with_options
from crm_warehouse.engine.queries import query
from crm_warehouse.sealing import Sealer

#: One process asks the source at a time; the others wait as long as that may take. A
#: holder that hangs is cut off by the server.
_SESSION_OPTIONS = (
    "-c lock_timeout=150s -c idle_in_transaction_session_timeout=120s"
    " -c synchronous_commit=on"
)


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
        """
        # Before the source is asked: what it gives must not be lost for want of a key.
        sealer = Sealer.from_environment(self._environ)
        purpose = f"oauth|{settings.connection_id}"
        seed = _digest(settings)
        with psycopg.connect(
            self._conninfo,
            application_name="crm_warehouse oauth",
            options=with_options(self._conninfo, _SESSION_OPTIONS),
        ) as conn:
            row = _lock(conn, settings)
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
                "connection_id": settings.connection_id,
                "seed": seed,
                "refresh_token": sealer.seal(
                    grant.refresh_token or refresh_token, purpose
                ),
                "access_token": sealer.seal(grant.access_token, purpose),
                "expires_in": grant.seconds,
            }
            saved = conn.execute(query("save_oauth_token"), values).fetchone()
            assert saved is not None  # noqa: S101  its row is locked
            return AccessToken(grant.access_token, saved[0], grant.seconds)


def _lock(conn: psycopg.Connection[Any], settings: OAuthSettings) -> _Row:
    values = {"connection_id": settings.connection_id}
    with conn.cursor(row_factory=class_row(_Row)) as cursor:
        row = cursor.execute(query("lock_oauth_token"), values).fetchone()
    assert row is not None  # noqa: S101  the statement makes the row if need be
    return row


def _digest(settings: OAuthSettings) -> str:
    """Which refresh token a person put in; the app's secret may change beside it."""
    text = f"{settings.client_id}\n{settings.refresh_token}"
    return hashlib.sha256(text.encode()).hexdigest()
