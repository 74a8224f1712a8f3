"""MarketSharp's real API: OData feeds in XML, a signature in each request.

https://support.marketsharp.com/hc/en-us/articles/1500011603421
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from crm_warehouse.clients.auth import Auth, TokenSource
from crm_warehouse.clients.interface import Page, Window
from crm_warehouse.clients.listing import Listing
from crm_warehouse.clients.odata import read_feed, walk_feed
from crm_warehouse.clients.rest import RestClient
from crm_warehouse.clients.signing import SignedAuth, SignedTokens, signed_tokens
from crm_warehouse.connections import Connection
from crm_warehouse.errors import ConfigurationError, TransientSourceError
from crm_warehouse.spec import Entity, Source

#: Longer than any clock on a wall is set back by.
_CHANGE_OF_CLOCKS = timedelta(hours=3)


class MarketSharpODataClient(RestClient):
    """Client of MarketSharp's OData service."""

    headers: ClassVar[dict[str, str]] = {
        **RestClient.headers,
        "Accept": "application/atom+xml,application/xml",
        "MaxDataServiceVersion": "2.0",
    }
    #: This service also answers so while it is busy.
    passing_statuses: ClassVar[frozenset[int]] = frozenset({400, 404})

    @staticmethod
    def decode(body: bytes, content_type: str = "") -> Any:
        """How this API writes its answers."""
        # Only here, so that DAG files parse without the XML library.
        from crm_warehouse.clients.xml_decoding import decode_xml

        return decode_xml(body, content_type)

    @staticmethod
    def token_of(source: Source, connection: Connection) -> SignedTokens:
        """What signs the requests."""
        del source
        return signed_tokens(connection)

    def make_auth(self, base_url: str, token: str | TokenSource) -> Auth:
        """How this API wants to be shown who asks."""
        if not isinstance(token, SignedTokens):
            raise ConfigurationError("MarketSharp's OData service needs signatures")
        return SignedAuth(base_url, token)

    @staticmethod
    def read_list(entity: Entity, decoded: Any) -> Listing:
        """The properties of a feed's entries."""
        del entity  # a feed looks alike for all
        return read_feed(decoded)

    @staticmethod
    def read_record(entity: Entity, decoded: Any) -> dict[str, Any]:
        """The properties of an entry that is the whole document."""
        del entity
        if isinstance(decoded, dict) and "entry" in decoded:
            [record] = read_feed({"feed": decoded}).records
            return dict(record)
        raise TransientSourceError("the answer is no Atom entry")

    def iter_pages(
        self,
        entity: Entity,
        window: Window,
        *,
        checkpoint: dict[str, Any] | None,
        page_size: int,
    ) -> Iterator[Page]:
        """All pages of the window; see :class:`SourceClient`."""
        paging = self._source.paging
        since = window.since if entity.since_param is not None else None
        return walk_feed(
            self._request_path,
            entity,
            size_param=paging.size_param,
            size=max(1, min(page_size, paging.max_size)),
            since=earliest_local(since, self._source.time_zone) if since else None,
            checkpoint=checkpoint,
        )

    def _ask_total(self, entity: Entity) -> int | None:
        params = {self._source.paging.size_param: "1", "$inlinecount": "allpages"}
        return self._request_path.get(entity.path, params, read_feed).value.total


def earliest_local(moment: datetime, time_zone: str | None) -> str:
    """Earliest that a clock of the zone shows at an instant or later, to the second.

    Before the clocks are set back, what comes may be shown as earlier than now.
    """
    zone = ZoneInfo(time_zone) if time_zone else UTC
    offsets = [
        at.astimezone(zone).utcoffset() or timedelta(0)
        for at in (moment, moment + _CHANGE_OF_CLOCKS)
    ]
    shown = (moment.astimezone(UTC) + min(offsets)).replace(tzinfo=None, microsecond=0)
    return shown.isoformat()
