"""Credentials, and the one place they may be sent to."""

from typing import Protocol
from urllib.parse import urlsplit

from crm_warehouse.errors import ConfigurationError, SourceError

#: Scheme, host, port.
Origin = tuple[str, str, int]

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Auth(Protocol):
    """Gives the header fields that prove who we are."""

    def headers_for(self, url: str) -> dict[str, str]:
        """Header fields for a request to ``url``.

        Raises:
            SourceError: ``url`` is not at the source that the credentials are for.
        """


class BearerAuth:
    """``Authorization: Bearer …`` for one origin.

    Args:
        base_url: Address of the source.
        token: API key or access token.

    Raises:
        ConfigurationError: The token is empty or cannot be a header's value.
    """

    #: Header field, and what stands in it before the token.
    field = "Authorization"
    prefix = "Bearer "

    def __init__(self, base_url: str, token: str) -> None:
        # The HTTP library would name the value in its own complaint.
        if not token or not all("!" <= letter <= "~" for letter in token):
            raise ConfigurationError(
                "the connection's password is empty, or holds blanks, line breaks or "
                "letters beyond ASCII: store the API key again"
            )
        self._origin = origin_of(base_url)
        self._headers = {self.field: self.prefix + token}

    def headers_for(self, url: str) -> dict[str, str]:
        """The field with the token; see :class:`Auth`."""
        if origin_of(url) != self._origin:
            raise SourceError(
                "refused to send credentials to another scheme, host or port than "
                "the connection's"
            )
        return self._headers


class ApiKeyAuth(BearerAuth):
    """``X-API-Key: …`` for one origin."""

    field = "X-API-Key"
    prefix = ""


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
