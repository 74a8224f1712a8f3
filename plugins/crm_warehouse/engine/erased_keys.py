"""Make unguessable what was derived from the values of an erased person.

A plain hash of what a source pushed stays behind when its values are taken out, and
whoever reads it can try e-mail addresses until one fits. So redacting puts an HMAC of
the hash in its place, under the key in ``ops.erasure_key``. Receivers have no key; who
merges has it, and knows by it again what comes a second time.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping

from psycopg.types.json import Jsonb

from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.queries import query

#: Before what is hidden, so that it is not hidden twice.
_MARK = "hmac."
#: A digest of a body or an event, and a replay key that is one.
_PLAIN = re.compile(r"(sha256\.)?[0-9a-f]{64}")


class ErasureKey:
    """The key of the warehouse.

    Args:
        conn: Reads it, once.
    """

    def __init__(self, conn: Connection) -> None:
        row = conn.execute(query("load_erasure_key")).fetchone()
        assert row is not None  # noqa: S101  its migration wrote it
        self._key: bytes = row[0]

    def digest(self, text: str) -> str:
        """HMAC-SHA256 (hex)."""
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()

    def hide(self, plain: str) -> str:
        """What stands in place of a hash; what is none, or is hidden, stays."""
        return _MARK + self.digest(plain) if _is_hash(plain) else plain

    def hide_event(self, dedupe_key: str, delivery_id: int, position: int) -> str:
        """The same of an event's; one that says nothing but its place stays."""
        own = dedupe_key == own_key(delivery_id, position)
        return dedupe_key if own else self.hide(dedupe_key)


def own_key(delivery_id: int, position: int) -> str:
    """The dedupe key of an event that is one of its own in each delivery."""
    return hashlib.sha256(f"{delivery_id}/{position}".encode()).hexdigest()


def drop_repeated(conn: Connection, replay_keys: Mapping[int, str]) -> set[int]:
    """Drop pending deliveries that came before and were redacted since.

    A receiver, which has no key, could not know them. Part of a transaction that holds
    the inbox.

    Args:
        conn: In that transaction.
        replay_keys: By number of the delivery.

    Returns:
        Numbers of those dropped.
    """
    found = {each: plain for each, plain in replay_keys.items() if _is_hash(plain)}
    if not found:
        return set()
    key = ErasureKey(conn)
    hidden = [
        {"id": each, "replay_key": key.hide(plain)} for each, plain in found.items()
    ]
    dropped = conn.execute(query("drop_repeated"), {"hidden": Jsonb(hidden)})
    return {each for (each,) in dropped.fetchall()}


def hide_known_events(
    conn: Connection, source_system: str, hidden: Mapping[str, str]
) -> None:
    """Hide dedupe keys of events that are known; part of a transaction.

    Args:
        conn: In a transaction that holds the inbox.
        source_system: Whose events.
        hidden: What stands in place of each key.
    """
    changed = {plain: left for plain, left in hidden.items() if left != plain}
    if changed:
        values = {"source_system": source_system, "hidden": Jsonb(changed)}
        conn.execute(query("hide_event_keys"), values)


def _is_hash(text: str) -> bool:
    return _PLAIN.fullmatch(text) is not None
