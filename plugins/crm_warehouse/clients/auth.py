"""Credentials, and the one place they may be sent to."""

from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol
from urllib.parse import urlsplit

from crm_warehouse.errors import ConfigurationError, SourceError
from crm_warehouse.spec import AuthStyle

#: Scheme, host, port.
Origin = tuple[str, str, int]

_DEFAULT_PORTS = {"http": 80, "https": 443}


class TokenSource(Protocol):
    """Gives the token to be sent now; for many threads."""

    def ready(self) -> None:
        """Renew a token that will end soon; see :meth:`Auth.ready`."""

    def current(self) -> str:
        """The token.

        Raises:
            CrmWarehouseError: None is to be had.
        """

    def renew(self, refused: str, refusals: int) -> bool:
        """Hear that a token was refused; see :meth:`Auth.renew`."""

    def close(self) -> None:
        """Give back connections."""


class Auth(Protocol):
    """Gives the header fields that prove who we are."""

    def ready(self) -> None:
        """Renew what will end soon: before a request is granted, not behind it.

        Raises:
            CrmWarehouseError: That cannot be had just now, or not at all.
        """

    def headers_for(self, url: str) -> dict[str, str]:
        """Header fields for a request to ``url``.

        Raises:
            SourceError: ``url`` is not at the source that the credentials are for.
        """

    def heard(self, moment: datetime) -> None:
        """Hear what the source's clock says now."""

    def renew(self, headers: Mapping[str, str], refusals: int) -> bool:
        """Hear that a request with these fields was refused as unauthenticated (401).

        Args:
            headers: What :meth:`headers_for` gave, among others.
            refusals: How often in a row it was refused, this time included.

        Returns:
            Whether there will be others, so that it should be repeated.
        """

    def close(self) -> None:
        """Give back connections."""


class BearerAuth:
    """``Authorization: Bearer …`` for one origin, unless told otherwise.

    Args:
        base_url: Address of the source.
        token: API key or access token; or what gives the one to be sent now.
        field: Header field.
        prefix: What stands in it before the token.

    Raises:
        ConfigurationError: The token is empty or cannot be a header's value.
    """

    def __init__(
        self,
        base_url: str,
        token: str | TokenSource,
        *,
        field: str = "Authorization",
        prefix: str = "Bearer ",
    ) -> None:
        self.field = field
        self.prefix = prefix
        self._origin = origin_of(base_url)
        self._tokens = _Unchanging(token) if isinstance(token, str) else token

    def ready(self) -> None:
        """Renew the token that will end soon; see :class:`Auth`."""
        self._tokens.ready()

    def headers_for(self, url: str) -> dict[str, str]:
        """The field with the token; see :class:`Auth`."""
        if origin_of(url) != self._origin:
            raise SourceError(
                "refused to send credentials to another scheme, host or port than "
                "the connection's"
            )
        return {self.field: self.prefix + self._tokens.current()}

    def heard(self, moment: datetime) -> None:
        """What the source's clock says: a token does not depend on it."""

    def renew(self, headers: Mapping[str, str], refusals: int) -> bool:
        """Renew the token in the field; see :class:`Auth`."""
        refused = headers[self.field].removeprefix(self.prefix)
        return self._tokens.renew(refused, refusals)

    def close(self) -> None:
        """Give back what the token needs."""
        self._tokens.close()


class ApiKeyAuth(BearerAuth):
    """``X-API-Key: …`` for one origin."""

    def __init__(self, base_url: str, token: str | TokenSource) -> None:
        super().__init__(base_url, token, field="X-API-Key", prefix="")


def auth_of(style: AuthStyle, base_url: str, token: str | TokenSource) -> BearerAuth:
    """How a source wants to be shown a token, by its YAML.

    Args:
        style: What the YAML says.
        base_url: Address of the source.
        token: The token; of ``basic`` what :func:`basic_token` makes.

    Raises:
        ConfigurationError: As of :class:`BearerAuth`.
    """
    match style.style:
        case "bearer":
            return BearerAuth(base_url, token)
        case "basic":
            return BearerAuth(base_url, token, prefix="Basic ")
        case "api_key":
            return BearerAuth(base_url, token, field=style.header, prefix=style.prefix)


def basic_token(login: str | None, password: str | None) -> str:
    """What HTTP Basic sends (RFC 7617): one of the two may be empty.

    Raises:
        ConfigurationError: Both are, the login holds what would end it, or one of them
            what is no text.
    """
    if not login and not password:
        raise ConfigurationError(
            "the connection has neither login nor password: put them there"
        )
    if ":" in (login or ""):
        raise ConfigurationError("the connection's login must not hold a colon")
    try:
        return b64encode(f"{login or ''}:{password or ''}".encode()).decode()
    except UnicodeEncodeError:
        raise ConfigurationError(
            "the connection's login or password is no text: store them again"
        ) from None


class _Unchanging:
    """A token that a person put in, and only a person can renew."""

    def __init__(self, token: str) -> None:
        if not is_sendable(token):
            raise ConfigurationError(
                "the connection's password is empty, or holds blanks, line breaks or "
                "letters beyond ASCII: store the API key again"
            )
        self._token = token

    def ready(self) -> None:
        """It never ends by itself."""

    def current(self) -> str:
        return self._token

    def renew(self, refused: str, refusals: int) -> bool:  # noqa: ARG002
        return False

    def close(self) -> None:
        """Nothing is open."""


def is_sendable(token: str) -> bool:
    """Whether a token can be a header's value.

    Else the HTTP library would name it in its own complaint.
    """
    return bool(token) and all("!" <= letter <= "~" for letter in token)


def check_base_url(url: str) -> None:
    """Refuse what cannot stand before a path.

    Raises:
        ConfigurationError: No http or https address with a host, or one with a user,
            query or fragment.
    """
    origin_of(url)
    if any(letter in url for letter in "@?#\\"):
        raise _unusable()


def origin_of(url: str) -> Origin:
    """Scheme, host and port of an address, defaults filled in.

    Raises:
        ConfigurationError: No http or https address with a host.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _unusable() from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise _unusable()
    return parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme]


def _unusable() -> ConfigurationError:
    return ConfigurationError(
        "the connection's host is no base address: write it like "
        "https://api.example.com/v1, without user, query or fragment"
    )
