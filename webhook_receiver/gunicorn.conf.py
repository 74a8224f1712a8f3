"""gunicorn's settings: ``gunicorn -c webhook_receiver/gunicorn.conf.py …``.

``HOST`` and ``PORT`` choose the address, 127.0.0.1:8090 by default. TLS and slow
clients are a reverse proxy's business.
"""

import os
import socket
import struct
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8090')}"
chdir = str(_ROOT)
pythonpath = str(
    _ROOT / "plugins"
)  # for an environment that `make setup` did not build
worker_class = "webhook_receiver.worker.Worker"
workers = 2
#: The inbox has a session for each. Who waits for a thread for too long gets 503.
threads = 8
#: A worker that says nothing for so long is replaced.
timeout = 30
#: Less than a supervisor waits before it kills.
graceful_timeout = 5
keepalive = 5
_SILENCE_SECONDS = 5
limit_request_line = 4094
limit_request_fields = 50
limit_request_field_size = 8190
# `X_HubSpot_…` would pass for `X-HubSpot-…` behind whoever reads them as one.
header_map = "refuse"
# Nobody is believed about who called or how: the signature binds the URL.
forwarded_allow_ips = ""
# The access log would show addresses and queries; ours is in webhook_receiver.app.
accesslog = None
logger_class = "webhook_receiver.logs.Logger"
control_socket_disable = True


def on_starting(_server: object) -> None:
    """Refuse to start on a database that could lose an acknowledged delivery."""
    # Before the fork: the workers share their memory.
    import webhook_receiver.limits
    import webhook_receiver.metrics  # noqa: F401
    from webhook_receiver.preflight import refuse_or_go_on

    refuse_or_go_on()


def on_reload(_server: object) -> None:
    """Read connections anew; a file that cannot be used ends nothing."""
    from webhook_receiver.preflight import read_anew

    read_anew()


def when_ready(server: Any) -> None:
    """Let no thread wait longer than this for the next bytes of a request."""
    # What is accepted inherits it. Python's own limit would be lost: gunicorn makes
    # each socket blocking.
    for listener in server.LISTENERS:
        limit = struct.pack("ll", _SILENCE_SECONDS, 0)
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)


def pre_fork(server: Any, worker: Any) -> None:
    """Give a worker the row in which it counts."""
    from webhook_receiver.metrics import COUNTS
    from webhook_receiver.turns import TURNS

    taken = [other.row_of_counts for other in server.WORKERS.values()]
    worker.row_of_counts = COUNTS.begin(taken)
    TURNS.begin(worker.row_of_counts)


def child_exit(_server: object, worker: Any) -> None:
    """Forget what a worker had in its hands."""
    from webhook_receiver.metrics import COUNTS
    from webhook_receiver.turns import TURNS

    COUNTS.end(worker.row_of_counts)
    TURNS.end(worker.row_of_counts)
