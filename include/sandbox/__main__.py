"""``python -m include.sandbox``: run the stand-in CRMs until stopped."""

import argparse
import json
import os
import socket
import sys
from pathlib import Path

import uvicorn

from include.sandbox.app import Sandbox
from include.sandbox.described import read_description
from include.sandbox.settings import DEFAULT_TOKENS, Settings, tokens_from
from include.sandbox.wire import SandboxProtocol

_HOST = "127.0.0.1"
#: Open requests, such as those a latency fault delays, are cut off after this.
_STOP_SECONDS = 1


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError("must be from 0 to 1")
    return share


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return count


def _size(text: str) -> tuple[str, int]:
    system, _, count = text.partition("=")
    return system, _count(count)


def parse_arguments(arguments: list[str] | None = None) -> tuple[int, Settings]:
    """Port and settings from the command line, tokens from the environment."""
    parser = argparse.ArgumentParser(
        prog="python -m include.sandbox",
        description="Stand-in CRMs on loopback, for tests and demonstrations.",
    )
    add = parser.add_argument
    add("--port", type=int, default=8999, help="0 takes a free one (%(default)s)")
    add("--seed", type=int, default=7, help="same seed, same records (%(default)s)")
    add("--prospects", type=_count, default=3_000, help="(%(default)s)")
    add(
        "--size",
        type=_size,
        action="append",
        default=[],
        metavar="SYSTEM=COUNT",
        help="records of the system's main entity; may be given again",
    )
    add("--dirty", type=_share, default=0.0, help="share of bad records (%(default)s)")
    add(
        "--with",
        type=Path,
        action="append",
        default=[],
        dest="described",
        metavar="FILE",
        help="JSON that describes one more system; may be given again",
    )
    add("--quota", choices=("on", "off"), default="on", help="(%(default)s)")
    given = parser.parse_args(arguments)
    try:
        known = [*DEFAULT_TOKENS, *(read_description(p).name for p in given.described)]
    except ValueError as error:
        parser.error(str(error))
    for system, _ in given.size:
        if system not in known:
            parser.error(f"--size: {system!r} must be one of {', '.join(known)}")
    settings = Settings(
        seed=given.seed,
        prospects=given.prospects,
        sizes=dict(given.size),
        dirty=given.dirty,
        quota=given.quota == "on",
        tokens=tokens_from(os.environ, known),
        described=tuple(given.described),
    )
    return given.port, settings


def main() -> None:
    """Serve, after one JSON line on standard output that says where."""
    port, settings = parse_arguments()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, port))
        except OSError as error:
            sys.exit(f"cannot listen on port {port}: {error.strerror}; try --port 0")
        sandbox = Sandbox(settings)
        config = uvicorn.Config(
            sandbox,
            loop="uvloop",
            http=SandboxProtocol,
            lifespan="off",
            log_level="warning",
            access_log=False,
            date_header=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        listener.listen(128)
        port = listener.getsockname()[1]
        url = f"http://{_HOST}:{port}"
        roots = {name: url + system.root for name, system in sandbox.systems.items()}
        ready = {"ready": True, "port": port, "url": url, "systems": roots}
        print(json.dumps(ready), flush=True)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
