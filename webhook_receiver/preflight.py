"""The look at everything before the first request is taken."""

import logging
import sys

import psycopg

from crm_warehouse.errors import ConfigurationError
from webhook_receiver.inbox import check_database
from webhook_receiver.settings import Settings, from_environment
from webhook_receiver.verifiers import VERIFIERS

logger = logging.getLogger(__name__)


def refuse_or_go_on() -> None:
    """End the process, with the reason, rather than run unsafely."""
    try:
        settings = from_environment(VERIFIERS)
        _check(settings)
    except ConfigurationError as error:
        sys.exit(f"error: the receiver does not start: {error}")
    for source, problem in settings.problems.items():
        logger.warning("%s: deliveries are answered 503: %s", source, problem)


def _check(settings: Settings) -> None:
    try:
        with psycopg.connect(settings.conninfo, connect_timeout=5) as session:
            check_database(session, settings)
    except psycopg.OperationalError as error:
        # It may come up after us. Sources are asked to come again until then, and each
        # session is checked before it is used.
        logger.warning(
            "the warehouse's database cannot be used yet: %s %s",
            type(error).__name__,
            error.sqlstate or "-",
        )
