"""Genius CRM: JSON, numbered pages, bearer key, ``modified_since``."""

from typing import ClassVar

from crm_warehouse.clients.rest import RestClient


class GeniusClient(RestClient):
    """Client of the Genius API."""

    #: Genius asks for a content type on requests without a body, too.
    headers: ClassVar[dict[str, str]] = {
        **RestClient.headers,
        "Content-Type": "application/json",
    }
