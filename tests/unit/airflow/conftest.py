"""The real bundle in an Airflow of its own."""

import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
from airflow_home import HOME, ROOT

#: What Airflow 3.3.2 does to others and itself; not ours to mend.
_AIRFLOW_WARNS = (
    "ignore:::airflow.*",
    "ignore:GitWildMatchPattern .* is deprecated:DeprecationWarning",
)


def pytest_unconfigure() -> None:
    """Remove the home."""
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let Airflow warn about itself; our own modules still may not."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            for what in _AIRFLOW_WARNS:
                item.add_marker(pytest.mark.filterwarnings(what))


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Airflow's own tables, and the repository's DAGs in them."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import sync_bag_to_db
    from airflow.utils import db

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        db.initdb()
        DagBundlesManager().sync_bundles_to_db()
        sync_bag_to_db(_parsed_bundle(), "crm", None)


@pytest.fixture
def bundle(airflow_database: None) -> Any:
    """All DAGs of the repository, parsed afresh: a run leaves its parameters in one."""
    return _parsed_bundle()


def _parsed_bundle() -> Any:
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(ROOT, bundle_path=ROOT, bundle_name="crm")
