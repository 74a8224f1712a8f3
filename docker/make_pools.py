"""Make the Airflow pools that the sources' DAGs name; slots a person set stay.

Runs after ``airflow db migrate``, from the repository's root: a task whose pool is
missing would never start.
"""

import sys

from airflow.models.pool import Pool
from airflow.utils.session import create_session

from include.local_stack.readable_sources import readable_sources


def main() -> None:
    """Make what is missing."""
    with create_session() as session:
        for source in readable_sources(_say):
            if Pool.get_pool(source.pool, session=session) is None:
                Pool.create_or_update_pool(
                    source.pool,
                    slots=source.max_concurrent,
                    description=f"Runs of {source.title} at the same time",
                    include_deferred=False,
                    session=session,
                )


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
