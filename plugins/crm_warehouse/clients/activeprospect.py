"""ActiveProspect: JSON, pages by cursor, bearer key, ``modified_since``."""

from crm_warehouse.clients.rest import RestClient


class ActiveProspectClient(RestClient):
    """Client of the ActiveProspect API."""
