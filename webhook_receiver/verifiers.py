"""Who may post, and how each source proves that a delivery is its own.

A source is known when it has a line in ``VERIFIERS``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from webhook_receiver import hubspot
from webhook_receiver.delivery import Delivery, Sender

#: Checks a delivery against the clock (milliseconds since the epoch) and returns its
#: replay key; raises ``SignatureError``.
Verify = Callable[[Delivery, Sender, int], str]


@dataclass(frozen=True, slots=True)
class Verifier:
    """How one source signs.

    Attributes:
        verify: The check.
        headers: What it needs, in lower case; nothing else of the headers is kept
            but the user agent.
    """

    verify: Verify
    headers: tuple[str, ...]


VERIFIERS: Mapping[str, Verifier] = {
    "hubspot": Verifier(hubspot.verify, hubspot.HEADERS),
}
