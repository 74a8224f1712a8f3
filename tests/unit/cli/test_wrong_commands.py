"""A wrong command says what is wrong, where, and what to do; and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_call import Call

ROOT = Path(__file__).parents[3]
SYNC = ("sync", "--source", "genius", "--entity", "prospects")
HUBSPOT = ("sync", "--source", "hubspot", "--entity", "contacts")
PREVIEW = ("preview", "--source", "genius", "--entity", "prospects")

#: Words of the command line, and what the message must say.
WRONG: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    ((), ("COMMAND", "--help")),
    (("snyc",), ("'snyc' is not one of sync, reconcile", "mean sync?", "--help")),
    (("connections", "exprot"), ("'exprot'", "mean export?", "connections --help")),
    (("sync", "--entity", "prospects"), ("--source", "required", "sync --help")),
    (("sync", "--source", "genius"), ("--entity", "required", "sync --help")),
    (
        ("sync", "--source", "genuis", "--entity", "prospects"),
        ("--source", "'genuis'", "did you mean genius"),
    ),
    (
        ("sync", "--source", "../genius", "--entity", "prospects"),
        ("--source", "there are activeprospect, genius, hubspot, marketsharp"),
    ),
    (
        ("sync", "--source", "genius", "--entity", "prospect"),
        ("--entity", "did you mean prospects", "divisions", "(or contacts)"),
    ),
    ((*SYNC, "--mode", "ful"), ("--mode", "'ful'", "incremental, full", "mean full")),
    ((*SYNC, "--mode", "full", "--incremental"), ("--incremental", "not allowed")),
    ((*SYNC, "--via", "ftp"), ("--via", "api, database, csv")),
    (
        (*HUBSPOT, "--via", "csv", "--file", "x.csv"),
        ("hubspot contacts", "csv; by api only"),
    ),
    ((*HUBSPOT, "--via", "csv"), ("hubspot contacts", "csv; by api only")),
    ((*HUBSPOT, "--via", "database"), ("hubspot contacts", "database; by api only")),
    ((*SYNC, "--via", "csv"), ("--via csv", "needs --file")),
    ((*SYNC, "--file", "x.csv"), ("--file", "--via csv")),
    ((*SYNC, "--since", "yesterday"), ("--since", "ISO 8601", "2026-01-31")),
    ((*SYNC, "--since", "2999-01-01"), ("--since", "future")),
    (
        (*SYNC, "--since", "2026-01-01", "--mode", "full"),
        ("since", "full", "leave it out"),
    ),
    ((*SYNC, "--batch-size", "0"), ("--batch-size", "'0'", "from 1")),
    ((*SYNC, "--batch-size", "many"), ("--batch-size", "whole number")),
    ((*SYNC, "--batch-size", "1001"), ("--batch-size", "1001", "1000")),
    ((*SYNC, "--max-wait", "soon"), ("--max-wait", "seconds", "90")),
    ((*SYNC, "--override", "volume,all"), ("--override", "'all'", "mass_delete, ")),
    ((*SYNC, "--override", "volume,"), ("--override", "'' is no guard")),
    ((*SYNC, "--override", "mass_delete"), ("override", "Choose mode full")),
    ((*SYNC, "--batchsize", "5"), ("--batchsize", "did you mean --batch-size")),
    ((*SYNC, "--log-level", "loud"), ("--log-level", "debug, info")),
    (SYNC, ("crm_warehouse", "AIRFLOW_CONN_CRM_WAREHOUSE", "connections export")),
    (("migrate",), ("AIRFLOW_CONN_CRM_WAREHOUSE",)),
    (("migrate", "now"), ("now", "migrate --help")),
    (PREVIEW, ("genius_default", "AIRFLOW_CONN_GENIUS_DEFAULT")),
    ((*PREVIEW, "--sample", "/no/such.json"), ("--sample", "/no/such.json")),
    ((*PREVIEW, "--limit", "-1"), ("--limit", "-1")),
    (("validate", "/no/such.yaml"), ("/no/such.yaml",)),
    (("validate", "--schema", "a.yaml"), ("--schema", "leave the files out")),
    (("connections",), ("COMMAND is missing; known: export", "connections --help")),
    (
        ("webhooks", "--source", "hubspot"),
        ("COMMAND is missing before --source; known: merge", "webhooks --help"),
    ),
    (
        ("--log-level=debug", "sync"),
        ("COMMAND is missing before --log-level; known: sync, reconcile", "--help"),
    ),
    (
        ("sync", "--source", "hubspot", "--entity", "webhooks"),
        ("--entity", "python -m crm_warehouse webhooks merge --source hubspot"),
    ),
    (
        ("sync", "--source", "genius", "--entity", "webhooks"),
        ("--entity", "genius has no entity 'webhooks'"),
    ),
    (("connections", "export"), ("CRM_WAREHOUSE_SEALING_KEY", "openssl rand")),
]


@pytest.mark.parametrize(
    ("words", "said"), WRONG, ids=[" ".join(words) or "nothing" for words, _ in WRONG]
)
def test_wrong_command_is_explained(
    call: Call, words: tuple[str, ...], said: tuple[str, ...]
) -> None:
    status, out, err = call(*words)

    text = out + err if words[:1] == ("validate",) else err
    assert status == 2
    assert text.count("error: ") == 1
    for part in said:
        assert part in text
    assert "Traceback" not in out + err


@pytest.mark.parametrize("words", [SYNC, (*SYNC, "--via", "csv")])
def test_sync_ends_with_one_json_line_even_so(call: Call, words: list[str]) -> None:
    _, out, err = call(*words)

    (line,) = out.splitlines()
    result = json.loads(line)
    assert result["status"] == "failed"
    assert result["job_id"] is None
    assert [f"error: {text}" for text in result["errors"]] == err.splitlines()


@pytest.mark.parametrize(
    "words", [("snyc",), ("sync", "--source", "genius", "--entity", "x"), ("migrate",)]
)
def test_the_process_ends_with_the_same_status(words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "crm_warehouse", *words],
        cwd=ROOT,
        env={"PATH": "/usr/bin", "CRM_WAREHOUSE_CONNECTIONS": "/no/such.sealed"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
