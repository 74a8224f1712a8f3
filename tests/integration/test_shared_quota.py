"""By the source's own count: never more than the quota, and never much less."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from crm_warehouse.spec import Quota, Source
from include.sandbox.server import SandboxServer
from tests.proof.house import SOURCES, House, Open

ASKER = Path(__file__).with_name("quota_asker.py")
REQUESTS, SECONDS = 60, 4.0
#: Requests arrive by so much later than they were granted, now sooner, now later. A
#: twentieth of the window is borne; the machine has its part of it.
JITTER = 0.08
#: What the way to the source adds.
WAY_JITTER = 0.03
MARGIN = SECONDS / 20


def ask(warehouse: str, sandbox: SandboxServer, entities: list[str]) -> dict[str, Any]:
    """Let processes ask at once; answers of all, and how late the machine was."""
    askers = [
        subprocess.Popen(
            [sys.executable, str(ASKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in entities
    ]
    for asker, entity in zip(askers, entities, strict=True):
        assert asker.stdin is not None
        assert asker.stdout is not None
        task = {
            "conninfo": warehouse,
            "url": sandbox.base_url,
            "token": sandbox.token,
            "entity": entity,
            "quota": [REQUESTS, SECONDS],
            "count": 4 * REQUESTS // len(entities),
            "jitter": JITTER,
        }
        asker.stdin.write(json.dumps(task) + "\n")
        asker.stdin.flush()
        assert asker.stdout.readline() == "ready\n"
    sandbox.configure(quota={"requests": REQUESTS, "per_seconds": SECONDS})
    sandbox.configure(quota={"enabled": True})
    sandbox.admin("DELETE", "/stats")
    statuses, late = Counter[str](), 0.0
    for asker in askers:
        assert asker.stdin is not None
        asker.stdin.write("go\n")
        asker.stdin.flush()
    for asker in askers:
        answer = json.loads(asker.communicate(timeout=120)[0])
        statuses.update(answer["statuses"])
        late = max(late, answer["late"])
    sandbox.configure(quota={"enabled": False})
    return {"statuses": statuses, "late": late, "stats": sandbox.stats()}


def test_three_processes_keep_the_quota_and_use_it(
    warehouse: str, sandbox: SandboxServer
) -> None:
    sandbox.fault("latency", seconds=0.02, jitter=2 * WAY_JITTER)
    jitter = JITTER + WAY_JITTER
    for _ in range(3):
        run = ask(warehouse, sandbox, ["leads", "users", "prospects"])
        if run["late"] + jitter < MARGIN:
            break  # else the machine stalled for longer than is borne: ask again

    assert run["late"] + jitter < MARGIN, "this machine stalls too much to tell"
    assert run["statuses"] == {"200": 4 * REQUESTS}
    assert run["stats"]["refused"] == 0
    assert run["stats"]["max_in_window"] <= REQUESTS
    arrived = [entry["at"] for entry in sandbox.log()][-4 * REQUESTS :]
    # While work remains, nine tenths of each window are used.
    three_windows = arrived[3 * REQUESTS] - arrived[0]
    assert three_windows <= 3 * (SECONDS / 0.9 + run["late"])


def scarce(house: House, quota: Quota, limit: str) -> House:
    """The house with a quota that its CRM enforces."""
    house.sandbox.configure(
        **{
            limit: {
                "requests": quota.requests,
                "per_seconds": quota.per_seconds,
                "enabled": True,
            }
        }
    )
    house.source = replace(house.source, quotas=(quota,), webhook_share=0.0)
    return house


def test_another_program_that_uses_the_account_is_noticed_in_time(
    open_house: Open,
) -> None:
    house = scarce(open_house("hubspot"), Quota("short", 30, 600), "quota")
    house.sandbox.admin("POST", "/use", {"requests": 27})
    waiting = house.sync("contacts", "full", batch_size=10)

    assert waiting.status == "waiting"
    assert waiting.requests == 3
    assert waiting.errors == (
        "hubspot quota short: 30 of 30 requests in 10 minutes used",
    )
    assert house.sandbox.stats()["refused"] == 0


def test_a_full_load_leaves_requests_to_webhooks(open_house: Open) -> None:
    house = open_house("hubspot")
    quota = Quota("hourly", 20, 3600)
    house.source = replace(house.source, quotas=(quota,), webhook_share=0.1)
    load = house.sync("contacts", "full", batch_size=10)
    assert (load.status, load.requests) == ("waiting", 18)
    assert "2 kept for webhooks" in load.errors[0]

    merge = house.merge_webhooks()
    assert merge.status == "success"
    assert SOURCES["hubspot"].webhook_share == 0.02


def test_a_pause_that_the_source_asks_for_binds_all_its_jobs(
    make_house: Callable[[Source], House], genius: Source
) -> None:
    """The account's real limit is lower than the definition says."""
    house = make_house(replace(genius, quotas=(Quota("hourly", 1000, 3600),)))
    house.sandbox.configure(
        quota={"requests": 2, "per_seconds": 600, "enabled": True},
    )
    first = house.sync("prospects", "full")
    second = house.sync("users", "full")

    assert (first.status, second.status) == ("waiting", "waiting")
    assert first.resume_at is not None
    assert second.resume_at is not None
    assert abs((first.resume_at - second.resume_at).total_seconds()) < 30
    assert second.requests == 0
    assert second.errors[0].startswith("genius asked for a pause: /prospects: ")
    assert house.sandbox.stats()["refused"] == 1
