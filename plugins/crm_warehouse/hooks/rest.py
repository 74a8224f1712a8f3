"""Any source with ``client: rest`` as Airflow knows it."""

from crm_warehouse.errors import ConfigurationError
from crm_warehouse.hooks.conversion import plain_connection
from crm_warehouse.hooks.source_api import SourceApiHook
from crm_warehouse.source_files import default_directory, load_sources
from crm_warehouse.spec import Source

_CLIENT = "rest"


class RestHook(SourceApiHook):
    """Connection type ``crm_rest``: base URL and what the source's ``auth`` needs.

    One type for all such sources. Loads know their source; the test button does not,
    for Airflow tests a copy of the connection under another id. So ``extra`` may name
    it: ``{"source": "acme"}``.
    """

    default_conn_name = "crm_rest_default"
    conn_type = "crm_rest"
    hook_name = "REST API of a CRM"

    def tested_source(self) -> Source:
        """The source that ``extra`` names, else the only one there is.

        Raises:
            ConfigurationError: It names none of them, or there are several.
        """
        sources = {
            name: source
            for name, source in load_sources(default_directory()).items()
            if source.client == _CLIENT
        }
        named = plain_connection(self, self.conn_id).extra.get("source")
        if named is None and len(sources) == 1:
            return next(iter(sources.values()))
        if not isinstance(named, str) or named not in sources:
            known = ", ".join(sources) or "none; add a file with client: rest"
            raise ConfigurationError(
                'which source is it? Write {"source": "<name>"} into the extra of the '
                f"connection; there are: {known}"
            )
        return sources[named]
