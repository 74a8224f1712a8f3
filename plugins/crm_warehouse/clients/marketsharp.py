"""MarketSharp: XML, numbered pages, a key in a header of its own."""

from typing import Any, ClassVar

from crm_warehouse.clients.auth import ApiKeyAuth, Auth, TokenSource
from crm_warehouse.clients.listing import Listing, read_xml_listing
from crm_warehouse.clients.rest import RestClient
from crm_warehouse.spec import Entity


class MarketSharpClient(RestClient):
    """Client of the MarketSharp API."""

    headers: ClassVar[dict[str, str]] = {
        **RestClient.headers,
        "Accept": "application/xml",
        "Content-Type": "application/xml",
    }

    @staticmethod
    def decode(body: bytes, content_type: str = "") -> Any:
        """How this API writes its answers."""
        # Only here, so that DAG files parse without the XML library.
        from crm_warehouse.clients.xml_decoding import decode_xml

        return decode_xml(body, content_type)

    def make_auth(self, base_url: str, token: str | TokenSource) -> Auth:
        """How this API wants to be shown the key."""
        return ApiKeyAuth(base_url, token)

    @staticmethod
    def read_list(entity: Entity, decoded: Any) -> Listing:
        """The records inside a list's root element."""
        return read_xml_listing(decoded, entity.records_path)
