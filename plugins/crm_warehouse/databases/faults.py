"""What a database's refusals mean for a job. Never shows what the server says."""

from sqlalchemy import exc

from crm_warehouse.errors import (
    AuthenticationError,
    ConfigurationError,
    CrmWarehouseError,
    TransientSourceError,
)

#: MySQL's and MariaDB's error numbers, and SQLSTATEs of PostgreSQL.
#: https://mariadb.com/docs/server/reference/error-codes/mariadb-error-code-reference
#: https://www.postgresql.org/docs/current/errcodes-appendix.html
_LOGIN_REFUSED = {"1044", "1045", "1698", "28000", "28P01"}
#: With what a reader may lack besides: MySQL hides what columns a view has.
_MAY_NOT_READ = {"1142": ", and SHOW VIEW if it is a view", "1143": "", "42501": ""}
_NOT_THERE = {"1049", "1054", "1146", "3D000", "42703", "42P01"}


def as_ours(error: exc.DBAPIError, origin: str) -> CrmWarehouseError:
    """The error to raise for one of a driver.

    Args:
        error: What SQLAlchemy raised.
        origin: Connection, and what was read.
    """
    code = code_of(error)
    if code in _LOGIN_REFUSED or _is_refusal(error):
        return AuthenticationError(f"{origin}: the database refuses the login ({code})")
    if code in _MAY_NOT_READ:
        return AuthenticationError(
            f"{origin}: the login may not read this table ({code}): GRANT SELECT on it"
            f"{_MAY_NOT_READ[code]}"
        )
    if code in _NOT_THERE:
        return ConfigurationError(
            f"{origin}: the database, a table or a column is not there ({code})"
        )
    return TransientSourceError(f"{origin}: the database failed ({code})")


def code_of(error: exc.DBAPIError) -> str:
    """The server's number of an error, else the name of the driver's."""
    found = error.orig
    # PyMySQL has the number first, in what it raises.
    number = found.args[0] if found is not None and found.args else None
    if isinstance(number, int):
        return str(number)
    return str(getattr(found, "sqlstate", None) or type(found).__name__)


def _is_refusal(error: exc.DBAPIError) -> bool:
    """Whether PostgreSQL refused a connection's login, which has no SQLSTATE then."""
    return "authentication failed" in str(error.orig)
