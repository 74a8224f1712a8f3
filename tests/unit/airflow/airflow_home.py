"""Airflow with a home of its own: settings, SQLite, the real bundle and plugins.

Airflow reads its home when it is first imported and keeps it for the whole process, so
this module is imported before anything of Airflow.
"""

import os
import tempfile
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[3]
HOME = Path(tempfile.mkdtemp(prefix="airflow-home-"))

_CONFIG = f"""\
[core]
dags_folder = {HOME / "dags"}
plugins_folder = {ROOT / "plugins"}
load_examples = False
executor = LocalExecutor
[database]
sql_alchemy_conn = sqlite:///{HOME / "airflow.db"}
[dag_processor]
dag_bundle_config_list = [{{"name": "crm",
    "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
    "kwargs": {{"path": "{ROOT}"}}}}]
[logging]
base_log_folder = {HOME / "logs"}
logging_level = INFO
"""


def _import_airflow() -> None:
    (HOME / "dags").mkdir()
    (HOME / "airflow.cfg").write_text(_CONFIG)
    before = os.environ.get("AIRFLOW_HOME")
    os.environ["AIRFLOW_HOME"] = str(HOME)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import airflow.sdk
            import airflow.settings  # noqa: F401
    finally:
        # Children of other tests must not find this home.
        del os.environ["AIRFLOW_HOME"]
        if before is not None:
            os.environ["AIRFLOW_HOME"] = before


_import_airflow()
