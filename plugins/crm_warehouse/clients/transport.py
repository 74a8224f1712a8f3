"""What a client needs of an HTTP library, and nothing more.

The only implementation is :mod:`crm_warehouse.clients.requests_transport`; it stands
in a file of its own so that reading DAG files never imports an HTTP library.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

#: Parameters of a query, not yet encoded; pairs where one name comes several times.
Query = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Response:
    """One complete answer.

    Attributes:
        status: HTTP status code.
        headers: Header fields; names compare without case.
        body: Decompressed body. Of a refusal (status 300 and above) it may be empty.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """Sends one request and reads its answer; repeats and follows nothing."""

    def get(self, url: str, params: Query, headers: Mapping[str, str]) -> Response:
        """Send one GET request.

        Args:
            url: Absolute address without query.
            params: Query, not yet encoded.
            headers: Header fields of this request.

        Raises:
            TransientSourceError: No complete answer came. The message says why, and
                holds neither address nor headers.
            SourceError: The body is larger than the cap.
        """

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """Send one POST request; arguments and errors as of :meth:`get`."""

    def close(self) -> None:
        """Close the connections that were kept open."""
