"""Sources whose files can be read: another file's mistakes must not stop a stack."""

from collections.abc import Callable

from crm_warehouse.errors import ConfigurationError
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Source


def readable_sources(say: Callable[[str], None]) -> list[Source]:
    """Sources in the folder that ``CRM_WAREHOUSE_SOURCES`` names, or the repository's.

    Args:
        say: Is told each file that cannot be read, in one line.
    """
    found: dict[str, Source] = {}
    for path in sorted(default_directory().glob("[!.]*.yaml")):
        try:
            source = load_source(path)
        except ConfigurationError as error:
            more = f" and {len(error.problems) - 1} more" * (len(error.problems) > 1)
            say(
                f"Left out: {error.problems[0]}{more}. See "
                "`.venv/bin/python -m crm_warehouse validate`."
            )
        else:
            found.setdefault(source.name, source)
    return list(found.values())
