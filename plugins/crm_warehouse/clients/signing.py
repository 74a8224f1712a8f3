"""MarketSharp's signature: company, key, time, and what only the secret makes of them.

https://support.marketsharp.com/hc/en-us/articles/1500011603421
"""

import base64
import binascii
import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime

from crm_warehouse.clients.auth import BearerAuth, is_sendable
from crm_warehouse.connections import Connection
from crm_warehouse.errors import ConfigurationError

#: A signature of a clock that is off by less is not refused for that.
_SLIGHT_SECONDS = 5.0


class SignedTokens:
    """Makes the token of each request; for many threads.

    The service refuses a signature whose time is not its own. So its clock counts, as
    far as its answers have told it: the host's may be wrong.

    Args:
        company: Company id.
        key: API key.
        secret: Secret key, decoded.
        clock: Seconds since 1970 by the host's clock.
    """

    def __init__(
        self,
        company: str,
        key: str,
        secret: bytes,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._names = company, key
        self._secret = secret
        self._clock = clock
        self._ahead = 0.0
        self._lock = threading.Lock()

    def ready(self) -> None:
        """Each is made when it is sent."""

    def current(self) -> str:
        """The token of now: ``company:key:epoch:signature``."""
        company, key = self._names
        epoch = str(int(self._now()))
        message = f"{company}{key}{epoch}".encode()
        digest = hmac.new(self._secret, message, hashlib.sha256).digest()
        return f"{company}:{key}:{epoch}:{base64.b64encode(digest).decode()}"

    def _now(self) -> float:
        return self._clock() + self._ahead

    def heard(self, moment: datetime) -> None:
        """Hear what the service's clock says now."""
        with self._lock:
            self._ahead = moment.timestamp() - self._clock()

    def renew(self, refused: str, refusals: int) -> bool:
        """Whether the next one has another time: it is tried once."""
        epoch = int(refused.split(":")[2])
        return refusals == 1 and abs(self._now() - epoch) > _SLIGHT_SECONDS

    def close(self) -> None:
        """Nothing is open."""


class SignedAuth(BearerAuth):
    """``Authorization: company:key:epoch:signature`` for one origin."""

    def __init__(self, base_url: str, tokens: SignedTokens) -> None:
        super().__init__(base_url, tokens, prefix="")
        self._signed = tokens

    def heard(self, moment: datetime) -> None:
        """What an answer tells of the service's clock."""
        self._signed.heard(moment)


def signed_tokens(connection: Connection) -> SignedTokens:
    """What a connection needs to sign with; none of it is ever shown.

    Args:
        connection: ``login`` is the company id, ``password`` the API key, ``secret`` of
            ``extra`` the secret key in base64.

    Raises:
        ConfigurationError: Something is missing, or no base64.
    """
    company, key = connection.login or "", connection.password or ""
    extra: Mapping[str, object] = connection.extra
    secret = extra.get("secret")
    if not (is_sendable(company) and is_sendable(key)) or ":" in company + key:
        raise ConfigurationError(
            f"connection {connection.id}: needs the company id as login and the API key"
            " as password, without blanks and colons"
        )
    try:
        decoded = base64.b64decode(str(secret or ""), validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if not decoded:
        raise ConfigurationError(
            f"connection {connection.id}: needs the secret key in extra, as secret, in"
            " base64 as MarketSharp shows it"
        )
    return SignedTokens(company, key, decoded)
