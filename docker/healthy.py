"""Health check of a container: ``healthy.py URL [component]``.

Exit status 0 when the URL answers 200 and, for a part of Airflow that serves no HTTP
itself, Airflow's health report calls the component healthy.
"""

import json
import sys
import urllib.request

_TIMEOUT_SECONDS = 5


def main(url: str, component: str | None = None) -> str | None:
    """What is wrong, or None."""
    # The containers' own network: a proxy of the environment has no business here.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_TIMEOUT_SECONDS) as answer:
            body = answer.read()
    except OSError as error:
        return f"{url}: {error}"
    if component is None:
        return None
    status = json.loads(body)[component]["status"]
    return None if status == "healthy" else f"{component} is {status}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
