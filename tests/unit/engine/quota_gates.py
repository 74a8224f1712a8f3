"""Gates of several entities of one account, and a way to let time pass for them."""

import threading
from collections.abc import Callable

from engine_load import Connection

from crm_warehouse.engine.gate import QuotaGate
from crm_warehouse.errors import QuotaWaitError
from crm_warehouse.spec import Quota

_INSTANTS = {
    "api_quota": ["others_until"],
    "api_quota_usage": ["bucket"],
    "api_quota_shares": ["bucket"],
    "api_quota_wants": ["granted_at", "refused_at", "resume_at", "wanted_until"],
    "api_quota_holds": ["held_until"],
}


class Account:
    """Opens gates of account ``crm``.

    Args:
        conninfo: Warehouse.
        conn: A connection to it.
        quotas: Limits of the account.
        webhook_share: Share of the general ones that only merges may use.
    """

    def __init__(
        self,
        conninfo: str,
        conn: Connection,
        *quotas: Quota,
        webhook_share: float = 0.0,
    ) -> None:
        self._conninfo = conninfo
        self._conn = conn
        self._quotas = quotas
        self._webhook_share = webhook_share
        self._open: list[QuotaGate] = []

    def gate(self, asker: str) -> QuotaGate:
        """A new gate of an entity, or of a merge of webhooks."""
        gate = QuotaGate(
            self._conninfo,
            "crm",
            self._quotas,
            threading.Event(),
            asker=asker,
            webhook_share=self._webhook_share,
        )
        self._open.append(gate)
        return gate

    def gates(self, count: int) -> list[QuotaGate]:
        """Gates of that many entities."""
        return [self.gate(f"entity{number}") for number in range(count)]

    def let_pass(self, seconds: float) -> None:
        """Make everything that the account remembers older."""
        far = 10 * 365 * 86_400
        for table, columns in _INSTANTS.items():
            # By a long way round, so that no row meets the key of another.
            for shift in (-seconds - far, far):
                moved = ", ".join(
                    f"{column} = {column} + make_interval(secs => {shift})"
                    for column in columns
                )
                self._conn.execute(f"UPDATE ops.{table} SET {moved}")

    def close(self) -> None:
        """Close all gates."""
        for gate in self._open:
            gate.close()


OpenAccount = Callable[..., Account]


def drain(gate: QuotaGate, most: int = 1_000, kind: str = "") -> int:
    """Take until a wait would be long; returns the requests that were granted."""
    for taken in range(most):
        try:
            gate.take(kind)
        except QuotaWaitError:
            return taken
    return most


def in_turns(gates: list[QuotaGate], speeds: list[int]) -> list[int]:
    """Let each gate take as many as its speed in each round, until none gets any."""
    granted = [0] * len(gates)
    while True:
        before = sum(granted)
        for number, (gate, speed) in enumerate(zip(gates, speeds, strict=True)):
            granted[number] += drain(gate, speed)
        if sum(granted) == before:
            return granted
