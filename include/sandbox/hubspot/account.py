"""HubSpot's account: its time zone, and its requests of the day.

As of https://developers.hubspot.com/docs/api-reference/account-account-info-v3/guide.
"""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from include.sandbox.clock import Clock, iso_milliseconds
from include.sandbox.hubspot.events import PORTAL_ID
from include.sandbox.quota import Limit, Quota

_DAY_SECONDS = 86_400.0


def is_zone(value: Any) -> bool:
    """Whether an account can have this time zone."""
    return isinstance(value, str) and value in available_timezones()


class DayQuota(Quota):
    """A limit of the account's day, which begins at midnight of its zone.

    With another window than a day's, which tests choose, it slides like any other.

    Args:
        limit: Its limit.
        clock: Of the system.
        zone: Name of the account's zone, as it changes.
    """

    def __init__(self, limit: Limit, clock: Clock, zone: Callable[[], str]) -> None:
        super().__init__(limit)
        self._clock = clock
        self._zone = zone
        self._day = self.resets_at()
        self._used = 0

    @property
    def zone(self) -> str:
        """Name of the account's zone."""
        return self._zone()

    def resets_at(self) -> datetime:
        """The account's next midnight, aware UTC."""
        zone = ZoneInfo(self.zone)
        tomorrow = self._clock.now().astimezone(zone).date() + timedelta(days=1)
        return datetime.combine(tomorrow, time(), zone).astimezone(UTC)

    def wait(self, now: float) -> float | None:
        """Seconds until a request is admitted; None: now."""
        wait = super().wait(now)
        if wait is None or not self._is_of_a_day():
            return wait
        return (self.resets_at() - self._clock.now()).total_seconds()

    def take(self, now: float) -> None:
        """Count an admitted request."""
        super().take(now)
        if self.limit.enabled:
            self._begin_day()
            self._used += 1

    def remaining(self, now: float) -> int:
        """Requests that the limit still admits."""
        if not self._is_of_a_day():
            return super().remaining(now)
        self._begin_day()
        return max(0, self.limit.requests - self._used)

    def _begin_day(self) -> None:
        if (day := self.resets_at()) != self._day:
            self._day, self._used = day, 0

    def _is_of_a_day(self) -> bool:
        return self.limit.per_seconds == _DAY_SECONDS


def details(zone: str, clock: Clock) -> dict[str, Any]:
    """Answer to ``GET /account-info/v3/details``."""
    offset = clock.now().astimezone(ZoneInfo(zone)).utcoffset() or timedelta()
    minutes = int(offset.total_seconds() // 60)
    sign = "-" if minutes < 0 else "+"
    return {
        "portalId": PORTAL_ID,
        "accountType": "STANDARD",
        "timeZone": zone,
        "companyCurrency": "USD",
        "additionalCurrencies": [],
        "utcOffset": f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}",
        "utcOffsetMilliseconds": minutes * 60_000,
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "na1",
    }


def usage(quota: DayQuota, clock: Clock, now: float) -> dict[str, Any]:
    """Answer to ``GET /account-info/v3/api-usage/daily/private-apps``."""
    used = quota.limit.requests - quota.remaining(now)
    return {
        "results": [
            {
                "name": "private-apps-api-calls-daily",
                "usageLimit": quota.limit.requests,
                "currentUsage": used,
                "collectedAt": iso_milliseconds(clock.now()),
                "fetchStatus": "SUCCESS",
                "resetsAt": iso_milliseconds(quota.resets_at()),
            }
        ]
    }
