"""Who may post, and how each source proves that a delivery is its own.

A source is known when it has a line in ``VERIFIERS``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from webhook_receiver import activeprospect, hubspot
from webhook_receiver.delivery import Delivery, Proof, Sender

#: Checks a delivery against the clock (milliseconds since the epoch); raises
#: ``RefusalError``.
Verify = Callable[[Delivery, Sender, int], Proof]


@dataclass(frozen=True, slots=True)
class Verifier:
    """How one source sends.

    Attributes:
        verify: The check.
        content_types: Types of its bodies, in lower case and without parameters.
    """

    verify: Verify
    content_types: tuple[str, ...]


VERIFIERS: Mapping[str, Verifier] = {
    "hubspot": Verifier(hubspot.verify, hubspot.CONTENT_TYPES),
    "activeprospect": Verifier(activeprospect.verify, activeprospect.CONTENT_TYPES),
}
