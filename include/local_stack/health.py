"""Asking parts whether they work."""

import json
import urllib.error
import urllib.request
from datetime import datetime
from typing import Any

from include.local_stack.process import Health

_TIMEOUT_SECONDS = 3.0
# Loopback only: a proxy of the environment has no business here.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Checker:
    """Asks each URL once per round, since several parts share Airflow's report."""

    def __init__(self) -> None:
        self._answers: dict[str, dict[str, Any] | None] = {}

    def new_round(self) -> None:
        """Forget the answers of the previous round."""
        self._answers.clear()

    def healthy(self, health: Health, since: float) -> bool:
        """Whether the part works.

        Args:
            health: How to ask.
            since: Start of the part, seconds since the epoch; a heartbeat from
                before is its predecessor's.
        """
        if health.url not in self._answers:
            self._answers[health.url] = _get(health.url)
        answer = self._answers[health.url]
        if answer is None:
            return False
        if health.component is None:
            return True
        report = answer.get(health.component) or {}
        beat = report.get(f"latest_{health.component}_heartbeat")
        return (
            report.get("status") == "healthy"
            and beat is not None
            and datetime.fromisoformat(beat).timestamp() >= since
        )


def _get(url: str) -> dict[str, Any] | None:
    """The JSON object behind the URL, empty for other bodies; None: no 200."""
    try:
        with _opener.open(url, timeout=_TIMEOUT_SECONDS) as response:
            body = response.read()
    except (OSError, urllib.error.URLError, ValueError):
        return None
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
