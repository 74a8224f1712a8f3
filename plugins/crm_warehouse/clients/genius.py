"""Genius CRM: JSON, numbered pages, bearer key, ``modified_since``."""

from typing import ClassVar

from crm_warehouse.clients.json_api import JsonApiClient


class GeniusClient(JsonApiClient):
    """Client of the Genius API."""

    #: Genius asks for a content type on requests without a body, too.
    headers: ClassVar[dict[str, str]] = {
        **JsonApiClient.headers,
        "Content-Type": "application/json",
    }
