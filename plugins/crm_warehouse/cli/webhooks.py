"""``webhooks merge``: merge what a source's webhooks announced, once."""

from argparse import Namespace

from crm_warehouse.cli import logs
from crm_warehouse.cli.client import client_factory
from crm_warehouse.cli.connection import find
from crm_warehouse.cli.loading import print_result, show_progress, user_name
from crm_warehouse.cli.outcome import Attempt
from crm_warehouse.cli.reached import reached_source
from crm_warehouse.cli.warehouse import check_tables, warehouse_conninfo
from crm_warehouse.connections.webhooks import webhook_owner
from crm_warehouse.engine.job import SyncResult, WebhookRequest
from crm_warehouse.engine.run import Progress
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.errors import ConfigurationError

#: What the result line has as entity and mode.
_ENTITY, _MODE = "webhooks", "webhook"


def run(words: Namespace) -> int:
    """Merge, and print the result as the last line of standard output."""
    attempt = Attempt(words.source, _ENTITY, _MODE)
    return print_result(attempt, lambda attempt: _merge(words, attempt))


def _merge(words: Namespace, attempt: Attempt) -> SyncResult:
    request = _request(words)
    logs.add_context(source_system=request.source_system, entity=_ENTITY, mode=_MODE)
    conninfo = warehouse_conninfo()
    open_client = client_factory(request.source)
    check_tables(conninfo)
    attempt.conninfo = conninfo

    def merge(note: Progress) -> SyncResult:
        return merge_webhooks(
            request,
            conninfo=conninfo,
            open_client=open_client,
            max_wait_seconds=words.max_wait,
            progress=note,
        )

    return show_progress(attempt, merge)


def _request(words: Namespace) -> WebhookRequest:
    source = reached_source(words.source)
    if not source.webhooks:
        raise ConfigurationError(
            f"--source: {source.name} announces nothing by webhook; a source whose "
            "file says `webhooks: true` does"
        )
    return WebhookRequest(
        source=source,
        source_system=source.name,
        override=words.override,
        asked_by=user_name(),
        **webhook_owner(find(source.connection)),
    )
