"""Lists in which each page brings the address of the next, in its body or a header.

The address is the source's word, and credentials go with the request: so it is followed
only below the connection's own base address.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

from crm_warehouse.clients.auth import origin_of
from crm_warehouse.clients.chain import walk_chain
from crm_warehouse.clients.interface import Page
from crm_warehouse.clients.listing import Listing, value_at
from crm_warehouse.clients.request_path import RequestPath
from crm_warehouse.clients.transport import Query
from crm_warehouse.errors import ConfigurationError, TransientSourceError
from crm_warehouse.spec import Entity, Paging

#: One link of a ``Link`` field: its address, and its parameters (RFC 8288, section 3).
_LINK = re.compile(
    r"<(?P<address>[^<>]*)>"
    r"(?P<parameters>(?:\s*;\s*[\w.*-]+\s*(?:=\s*(?:\"[^\"]*\"|[^\s\",;]+))?)*)"
)
_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s\",;]+))", re.IGNORECASE)
#: Path segments that would leave the base address, also when they are quoted.
_CLIMBS = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)


def walk_next_urls(
    request_path: RequestPath,
    entity: Entity,
    paging: Paging,
    *,
    params: Mapping[str, str],
    checkpoint: dict[str, Any] | None,
    page_size: int,
    read: Callable[[Any], Listing],
) -> Iterator[Page]:
    """Yield every page from the first, or from the checkpoint, to the last.

    Args:
        request_path: Sends the requests.
        entity: Gives the list's path.
        paging: Gives the name of the size's parameter, and the place of the address.
        params: Query of the first page besides its size; later ones have their own.
        checkpoint: ``Page.checkpoint`` of the last page that was kept, or None.
        page_size: Records to ask for per request; bounded by ``paging.max_size``.
        read: Reads the list out of an answer.

    Raises:
        SourceError: A page could not be read, or the list never ends.
        QuotaWaitError: Quota is used up for long.
        ConfigurationError: The checkpoint is not of this walker.
    """
    size = max(1, min(page_size, paging.max_size))
    guide = _AddressGuide(
        request_path.base_url,
        entity,
        paging,
        {**params, paging.size_param: str(size)},
    )
    return walk_chain(
        request_path, entity, paging, guide, checkpoint=checkpoint, read=read
    )


class _AddressGuide:
    """Leads from address to address; a cursor is one without its base address."""

    def __init__(
        self, base_url: str, entity: Entity, paging: Paging, query: dict[str, str]
    ) -> None:
        self._base_url = base_url
        self._path = entity.path
        self._paging = paging
        self._query = query

    def following(self, decoded: Any, headers: Mapping[str, str]) -> str | None:
        """Path and query of the next page; see :class:`Guide`."""
        if self._paging.style == "link":
            address = next_link(headers.get("Link", ""))
        elif not isinstance(decoded, dict):
            raise TransientSourceError("the answer has no place for an address")
        else:
            address = value_at(decoded, self._paging.next_path)
        if address is None or address == "":
            return None
        if type(address) is not str or not address.isascii() or " " in address:
            raise TransientSourceError("the next page's address is no address")
        return self._below_base(address)

    def request(self, cursor: str | None) -> tuple[str, Query]:
        """The first page, or what an address asks for."""
        if cursor is None:
            return self._path, self._query
        path, _, query = cursor.partition("?")
        return path, parse_qsl(query, keep_blank_values=True)

    def _below_base(self, address: str) -> str:
        """What an address has below the base address.

        Raises:
            TransientSourceError: It leads elsewhere: nothing is ever sent there.
        """
        whole = urljoin(self._base_url + self._path, address)
        try:
            is_ours = origin_of(whole) == origin_of(self._base_url)
        except ConfigurationError:
            is_ours = False
        parts, base = urlsplit(whole), urlsplit(self._base_url).path + "/"
        path = parts.path
        if not is_ours or not path.startswith(base) or _CLIMBS.search(path):
            raise TransientSourceError(
                "the next page's address is not below the connection's host"
            )
        below = path[len(base) - 1 :]
        return f"{below}?{parts.query}" if parts.query else below


def next_link(field: str) -> str | None:
    """Address of the link whose relation is ``next``, or None.

    https://www.rfc-editor.org/rfc/rfc8288#section-3
    """
    for link in _LINK.finditer(field):
        rel = _REL.search(link["parameters"])
        words = (rel[1] or rel[2] or "").lower().split() if rel else []
        if "next" in words:
            return link["address"]
    return None
