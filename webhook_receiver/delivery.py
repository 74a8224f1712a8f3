"""What a source sends, and what is known of the source."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from webhook_receiver.refusals import RETRY_AFTER_SECONDS, RefusalError

#: The one of ActiveProspect's own guide.
DEFAULT_HEADER = "x-api-key"


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """What a source proves itself with.

    Attributes:
        text: Its bytes.
        until_ms: When it ends, in milliseconds since the epoch; None: never.
    """

    text: bytes
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """How much may come: so many a second, and so many at once after a rest."""

    per_second: float
    burst: int


#: More than two cores store: whoever wants less says so.
GENEROUS = Rate(per_second=5_000, burst=20_000)


@dataclass(frozen=True, slots=True, repr=False)
class Sender:
    """A source that may post here.

    Attributes:
        secrets: Any that has not ended may have signed: two during a rotation.
        public_url: Base URL that the source calls, without trailing slash. Not taken
            from the request: behind a proxy it would be wrong, and it can be forged.
        networks: Where it may call from; empty: from anywhere.
        versions: Versions of a signature that count, where a source has several.
        header: Name, in lower case, of the header that brings the secret, where a
            source does not sign.
        rate: How much of its proven deliveries is stored.
    """

    secrets: tuple[Secret, ...]
    public_url: str
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    versions: frozenset[str] = frozenset({"v3"})
    header: str = DEFAULT_HEADER
    rate: Rate = GENEROUS

    def active(self, now_ms: int) -> tuple[bytes, ...]:
        """Secrets that have not ended."""
        return tuple(
            each.text
            for each in self.secrets
            if each.until_ms is None or now_ms < each.until_ms
        )


@dataclass(frozen=True, slots=True, repr=False)
class Delivery:
    """One POST as it came.

    Attributes:
        method: As called.
        url: Public URL, path and query with the very escapes that were called.
        headers: All of them; names in lower case.
        body: The exact bytes.
    """

    method: str
    url: bytes
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Proof:
    """What shows that a delivery is its source's.

    Attributes:
        replay_key: Is the same when the delivery is sent again unchanged.
        headers: Those that prove it to whoever looks later. Never a secret: they are
            stored.
    """

    replay_key: str
    headers: Mapping[str, str]


class SignatureError(RefusalError):
    """The delivery is not proven to be its source's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(401, code, message)


class StaleError(RefusalError):
    """The delivery is its source's, but of another time: perhaps our clock is wrong."""

    def __init__(self) -> None:
        super().__init__(
            503,
            "SIGNATURE_EXPIRED",
            "The signature is not of this time",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        )
