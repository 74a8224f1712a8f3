"""An error's action is one decision: Airflow, exit status and docs follow it."""

import re
from importlib import import_module

import pytest
from airflow.sdk import RetryAction
from repository_files import ROOT

from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.failures import explain
from crm_warehouse.errors import Action, CrmWarehouseError
from crm_warehouse.operators.retry import RETRIES, SyncRetryPolicy

PACKAGE = ROOT / "plugins" / "crm_warehouse"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
DECIDED = {
    "AuthenticationError": Action.STOP,
    "ConfigurationError": Action.STOP,
    "CrmWarehouseError": Action.RETRY,
    "FencedError": Action.STOP,
    "GuardError": Action.STOP,
    "IncompleteReadError": Action.RETRY,
    "MalformedDeliveryError": Action.REJECT,
    "MissingScopeError": Action.SKIP,
    "QuotaWaitError": Action.WAIT,
    "RejectError": Action.REJECT,
    "RequestRefusedError": Action.STOP,
    "SourceError": Action.RETRY,
    "StoppedError": Action.RETRY,
    "SyncConflictError": Action.RETRY,
    "SyncDisabledError": Action.SKIP,
    "ThrottledError": Action.RETRY,
    "TransientSourceError": Action.RETRY,
    "WaitError": Action.WAIT,
    "WebhooksRestError": Action.STOP,
}
#: Column "Airflow" of the docs.
AIRFLOW = {
    Action.STOP: "red at once",
    Action.WAIT: "waits without a slot",
    Action.RETRY: "tries again",
    Action.SKIP: "skipped",
}
#: Errors that end no job: they are caught inside the engine.
INTERNAL = {"MalformedDeliveryError", "RejectError", "StoppedError", "ThrottledError"}


def _classes() -> dict[str, type[CrmWarehouseError]]:
    """Every error class of the package, whatever module it is in."""
    for path in PACKAGE.rglob("*.py"):
        if re.search(r"^class \w+Error\(", path.read_text("utf-8"), re.MULTILINE):
            relative = path.relative_to(PACKAGE.parent).with_suffix("")
            import_module(".".join(relative.parts))
    found, todo = {}, [CrmWarehouseError]
    while todo:
        each = todo.pop()
        found[each.__name__] = each
        todo += each.__subclasses__()
    return {k: v for k, v in found.items() if v.__module__.startswith("crm_warehouse")}


CLASSES = _classes()


def _raised(name: str) -> CrmWarehouseError:
    """An error of the class, whatever its constructor wants."""
    error = CLASSES[name].__new__(CLASSES[name])
    Exception.__init__(error, "x")
    error.problems = ("x",)  # type: ignore[attr-defined]
    return error


def _rows() -> dict[str, list[str]]:
    """Class -> cells of its row in the docs."""
    rows = re.findall(
        r"^\| `\w+` \| (?:`(\w+)`|any other exception) (.*)\|$", OPERATIONS, re.M
    )
    return {
        name or "CrmWarehouseError": [cell.strip() for cell in rest.split("|")[1:]]
        for name, rest in rows
        if name.endswith("Error") or "defect" in rest
    }


def test_every_class_was_decided() -> None:
    assert {name: each.action for name, each in CLASSES.items()} == DECIDED


@pytest.mark.parametrize("name", sorted(DECIDED))
def test_airflow_follows_the_action(name: str) -> None:
    decision = SyncRetryPolicy().evaluate(
        _raised(name), try_number=1, max_tries=RETRIES
    )

    stops = decision.action is RetryAction.FAIL
    assert stops is (DECIDED[name] is Action.STOP)


@pytest.mark.parametrize("name", sorted(DECIDED))
def test_the_exit_status_follows_the_action(name: str) -> None:
    expected = {Action.WAIT: Exit.WAITING, Action.SKIP: Exit.USAGE}
    status = expected.get(DECIDED[name], Exit.FAILED)

    assert explain(_raised(name)).status is (
        Exit.USAGE if name == "ConfigurationError" else status
    )


@pytest.mark.parametrize("name", sorted(set(DECIDED) - INTERNAL))
def test_the_docs_follow_the_action(name: str) -> None:
    action, _, airflow, exit_status, _ = _rows()[name]

    assert action == DECIDED[name].value
    assert airflow.startswith(AIRFLOW[DECIDED[name]])
    assert exit_status == str(int(explain(_raised(name)).status))
