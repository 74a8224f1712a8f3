"""Which of two ways to read everything is the faster one, within the quotas."""

from collections.abc import Sequence
from dataclasses import dataclass

from crm_warehouse.spec import Quota

#: Up to so many records a list is short enough, whatever an answer takes.
LIST_RECORDS = 5_000
#: Requests for 100 records of a lane: half a page of ids, and the records by id.
LANE_REQUESTS = 1.5
#: Quotas of longer windows are there to be used up in bursts.
_LONGEST_WINDOW = 60.0
#: No answer comes sooner.
_LEAST_TRIP = 0.001
#: Requests that one process makes in a second at most, however many are in flight: what
#: it does with their answers takes a core's time.
OWN_PACE = 200.0


@dataclass(frozen=True, slots=True)
class Way:
    """A way of reading.

    Attributes:
        requests: Requests for 100 records.
        at_once: How many of them may be in flight.
    """

    requests: float
    at_once: int

    def pages_per_second(self, trip_seconds: float, quotas: Sequence[Quota]) -> float:
        """Pages of 100 records in a second.

        Args:
            trip_seconds: How long an answer takes.
            quotas: All limits of the account.
        """
        allowed = [
            quota.requests / quota.per_seconds
            for quota in quotas
            if not quota.kind and quota.per_seconds <= _LONGEST_WINDOW
        ]
        in_flight = self.at_once / max(trip_seconds, _LEAST_TRIP)
        return min([in_flight, OWN_PACE, *allowed]) / self.requests
