"""The transport on top of ``requests``: the one module that knows the library."""

import contextlib
import ipaddress
import os
import threading
import time
from collections.abc import Iterator, Mapping
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path

import requests
import urllib3

from crm_warehouse.clients.auth import origin_of
from crm_warehouse.clients.transport import Query, Response
from crm_warehouse.errors import ConfigurationError, SourceError, TransientSourceError

#: Bytes of a body, decompressed, that are read at most. A page of 100 records has
#: some hundred kilobytes; the cap stops a compression bomb before memory ends.
MAX_BODY_BYTES = 64 * 1024 * 1024
#: A connection takes milliseconds, or the host is not there.
MAX_CONNECT_SECONDS = 10.0
#: Bodies of refusals are read up to here, so that the connection can be used again.
_MAX_REFUSAL_BYTES = 64 * 1024
_CHUNK_BYTES = 64 * 1024


class RequestsTransport:
    """Kept-alive connections to one source, one for each thread that asks.

    Args:
        base_url: Decides once which proxy is used.
        timeout_seconds: Longest silence, and longest time until the body has come.
        max_body_bytes: Cap of the decompressed body.

    Raises:
        ConfigurationError: ``base_url`` or the environment's certificates are unusable.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout_seconds: float,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._max_body_bytes = max_body_bytes
        self._proxies = _proxies(base_url)
        self._verify = _certificates()
        # The library does not promise that threads may share a session.
        self._of_thread = threading.local()
        self._sessions: list[requests.Session] = []

    @property
    def _session(self) -> requests.Session:
        """The calling thread's session."""
        session: requests.Session | None = getattr(self._of_thread, "session", None)
        if session is None:
            session = self._of_thread.session = self._open()
            self._sessions.append(session)
        return session

    def _open(self) -> requests.Session:
        session = _SingleHopSession()
        # trust_env would let a .netrc replace our Authorization header. It also
        # stands for proxies and certificates, which operators need: so those two
        # are read here, and the credentials file never.
        session.trust_env = False
        session.proxies = self._proxies
        session.verify = self._verify
        # A cookie could carry an identity beside the token.
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        return session

    def get(self, url: str, params: Query, headers: Mapping[str, str]) -> Response:
        """Send one GET request; see :class:`Transport`."""
        return self._exchange("GET", url, headers, params=params)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """Send one POST request; see :class:`Transport`."""
        return self._exchange("POST", url, headers, body=body)

    def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        params: Query | None = None,
        body: bytes | None = None,
    ) -> Response:
        deadline = time.monotonic() + self._timeout_seconds
        connect_seconds = min(self._timeout_seconds, MAX_CONNECT_SECONDS)
        with _sorted_errors():
            response = self._session.request(
                method,
                url,
                params=params,
                data=body,
                headers=headers,
                timeout=(connect_seconds, self._timeout_seconds),
                allow_redirects=False,
                stream=True,
            )
        # close() gives a connection back that was read to its end, and cuts any other.
        with contextlib.closing(response):
            if response.status_code >= requests.codes.multiple_choices:
                received = self._refusal_body(response, deadline)
            else:
                received = self._body(response, deadline, self._max_body_bytes)
            return Response(response.status_code, response.headers, received)

    def close(self) -> None:
        """Close the connections that were kept open."""
        for session in self._sessions:
            session.close()

    def _refusal_body(self, response: requests.Response, deadline: float) -> bytes:
        """Body of a refusal; its loss must not hide the status."""
        try:
            return self._body(response, deadline, _MAX_REFUSAL_BYTES)
        except SourceError:
            return b""

    def _body(
        self, response: requests.Response, deadline: float, max_bytes: int
    ) -> bytes:
        body = bytearray()
        with _sorted_errors():
            # read1 returns what one receive brought; read would sit on a trickle
            # until the chunk is full, past every deadline.
            while piece := response.raw.read1(_CHUNK_BYTES, decode_content=True):
                body += piece
                if len(body) > max_bytes:
                    raise SourceError(
                        f"the answer is larger than {max_bytes} bytes: lower batch_size"
                    )
                if time.monotonic() > deadline:
                    raise TransientSourceError(
                        f"the body did not come within {self._timeout_seconds:g} s"
                    )
        return bytes(body)


class _SingleHopSession(requests.Session):
    """A session that never looks where a redirect points.

    ``allow_redirects=False`` alone still reads the redirect's body, without a cap, to
    prepare the next request.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002
        return None


@contextlib.contextmanager
def _sorted_errors() -> Iterator[None]:
    """Turn the library's errors into ours.

    Their texts hold the address with its query: they are dropped, cause included.
    """
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise TransientSourceError(_reason(error)) from None


#: First match wins, so the special ones stand before their base classes.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (requests.exceptions.ConnectTimeout, "no connection came about in time"),
    (requests.exceptions.ReadTimeout, "no answer came in time"),
    (urllib3.exceptions.ReadTimeoutError, "the body stopped coming"),
    (
        requests.exceptions.SSLError,
        "the TLS handshake failed: check the certificate, or REQUESTS_CA_BUNDLE",
    ),
    (requests.exceptions.ProxyError, "the proxy refused: check HTTPS_PROXY"),
    (urllib3.exceptions.DecodeError, "the compressed body is damaged"),
    (urllib3.exceptions.IncompleteRead, "the body ended early"),
    (urllib3.exceptions.ProtocolError, "the connection broke within the body"),
    (requests.ConnectionError, "the connection was refused or broke"),
)


def _reason(error: Exception) -> str:
    for kind, words in _REASONS:
        if isinstance(error, kind):
            return words
    return f"the request failed ({type(error).__name__})"


def _certificates() -> str | bool:
    """The environment's certificate file or folder; True takes the usual ones."""
    path = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    if path and not Path(path).exists():
        raise ConfigurationError(
            f"the certificates {path} do not exist: correct REQUESTS_CA_BUNDLE or "
            f"CURL_CA_BUNDLE in the environment"
        )
    return path or True


def _proxies(base_url: str) -> dict[str, str]:
    """Proxies of the environment for this address.

    None for this machine's own addresses: a proxy would look for them on itself.
    """
    _, host, _ = origin_of(base_url)
    if host == "localhost":
        return {}
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return {}
    return requests.utils.get_environ_proxies(base_url)
