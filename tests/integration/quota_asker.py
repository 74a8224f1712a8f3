"""Asks a sandbox CRM as one process of several, as fast as the quota lets it.

The task comes as JSON on standard input: conninfo, url and token of the CRM, entity,
quota (requests, per_seconds), count of requests, jitter in seconds. Prints ``ready``,
begins when a line comes, and prints JSON: answers by status, and the longest time in
seconds by which the machine itself was late.
"""

import json
import random
import sys
import threading
import time
from collections import Counter

import requests

from crm_warehouse.clients.rate_limits import read_allowances
from crm_warehouse.engine.gate import Patience, QuotaGate
from crm_warehouse.spec import Quota


def main() -> None:
    task = json.loads(sys.stdin.readline())
    quota = Quota("short", *task["quota"])
    gate = QuotaGate(
        task["conninfo"],
        "genius",
        (quota,),
        threading.Event(),
        asker=task["entity"],
        patience=Patience(quota_seconds=60),
    )
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {task['token']}"
    session.get(f"{task['url']}/users", timeout=60)  # as connections that are kept
    print("ready", flush=True)
    sys.stdin.readline()
    statuses, late = Counter[int](), 0.0
    for _ in range(task["count"]):
        gate.take()
        pause = random.uniform(0, task["jitter"])
        granted = time.monotonic()
        time.sleep(pause)
        late = max(late, time.monotonic() - granted - pause)
        answer = session.get(f"{task['url']}/users", timeout=60)
        gate.learn(read_allowances(answer.headers))
        statuses[answer.status_code] += 1
    gate.close()
    print(json.dumps({"statuses": statuses, "late": late}))


if __name__ == "__main__":
    main()
