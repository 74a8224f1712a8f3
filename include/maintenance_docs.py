"""What the UI shows about the DAGs that heal."""

from crm_warehouse.spec import Source

MAINTENANCE_DOC = """\
### Maintenance

Finds what is stuck and sees to it: loads whose process died, whose wait is over or \
that failed for a passing reason; webhooks that nobody merges; links to late parents; \
records in quarantine that would pass now. Once a day it deletes what is old. Always \
on: `wait` waits without a worker slot and looks every ten seconds, `heal` does what \
is quick, `start` starts a run of `<source>__recover` for each load. Nothing to \
trigger, and no parameters.

| | |
|---|---|
| What it did | `ops.maintenance_runs`, `ops.maintenance_acts` |
| What it deletes, and when | `ops.retention` |
| Webhooks that never came | `ops.webhook_gaps` |

**By hand:** `.venv/bin/python -m crm_warehouse maintain`

**Colours:** `wait` violet: all is well; all green: healed; `start` pink: nothing was \
to be loaded; `wait` and `heal` pink: nothing was due for six hours; red: read the \
log's last error. After a red run the next one rests for 15 minutes.
"""

_RECOVER = """\
### {title}: take up a load

Goes on with one job of {title} that nobody works on any more, from its checkpoint, on \
behalf of whoever began it. Started by `warehouse__maintenance`, nothing to trigger: a \
run begins no load of its own. Several may work side by side, within the pool `{pool}`.

**Colours:** as those of the entities' DAGs; pink: somebody else had taken it up, or \
its configuration is off.
"""


def recover_doc(source: Source) -> str:
    """Markdown about the DAG that takes up loads of a source."""
    return _RECOVER.format(title=source.title, pool=source.pool)
