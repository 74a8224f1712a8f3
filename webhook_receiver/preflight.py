"""The settings in force: read, and looked at, before the first request is taken.

gunicorn's main process reads them, at its start and when it is told to read them anew;
its workers have them from it.
"""

import logging
import sys

import psycopg

from crm_warehouse.errors import ConfigurationError
from webhook_receiver.inbox import check_database
from webhook_receiver.session import SESSION_OPTIONS, Session
from webhook_receiver.settings import Settings, from_environment
from webhook_receiver.verifiers import VERIFIERS

logger = logging.getLogger(__name__)

_in_force: Settings | None = None


def settings_in_force() -> Settings:
    """What was read last, and could be used.

    Raises:
        ConfigurationError: Nothing was read yet, and it cannot be used.
    """
    return _in_force or from_environment(VERIFIERS)


def refuse_or_go_on() -> None:
    """End the process, with the reason, rather than run unsafely."""
    try:
        _check(_read())
    except ConfigurationError as error:
        sys.exit(f"error: the receiver does not start: {error}")


def read_anew() -> None:
    """Go on with other settings; with the same when those cannot be used."""
    try:
        _read()
    except ConfigurationError as error:
        # Its text names what is wrong, and never a value.
        logger.error("the settings stay as they were: %s", error)  # noqa: TRY400


def _read() -> Settings:
    global _in_force
    settings = from_environment(VERIFIERS)
    for source, problem in settings.problems.items():
        logger.warning("%s: deliveries are answered 503: %s", source, problem)
    _in_force = settings
    return settings


def _check(settings: Settings) -> None:
    try:
        with Session.connect(settings.conninfo, **SESSION_OPTIONS) as session:
            check_database(session, settings)
    except psycopg.Error as error:
        # It may come up after us. Sources are asked to come again until then, and each
        # session is checked before it is used.
        logger.warning(
            "the warehouse's database cannot be used yet: %s %s",
            type(error).__name__,
            error.sqlstate or "-",
        )
