"""gunicorn's settings: ``gunicorn -c webhook_receiver/gunicorn.conf.py …``.

``HOST`` and ``PORT`` choose the address, 127.0.0.1:8090 by default. TLS and slow
clients are a reverse proxy's business.
"""

import logging
import os
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]

logging.basicConfig(
    level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
)

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8090')}"
chdir = str(_ROOT)
pythonpath = str(
    _ROOT / "plugins"
)  # for an environment that `make setup` did not build
worker_class = "webhook_receiver.worker.Worker"
workers = 2
#: More than the inbox has sessions: who waits for one gets 503 in time.
threads = 16
#: A worker that says nothing for so long is replaced.
timeout = 30
#: Less than a supervisor waits before it kills.
graceful_timeout = 5
keepalive = 5
limit_request_line = 4094
limit_request_fields = 50
limit_request_field_size = 8190
# Nobody is believed about who called or how: the signature binds the URL.
forwarded_allow_ips = ""
# The access log would show addresses and queries; ours is in webhook_receiver.app.
accesslog = None
control_socket_disable = True


def on_starting(_server: object) -> None:
    """Refuse to start on a database that could lose an acknowledged delivery."""
    from webhook_receiver.preflight import refuse_or_go_on

    refuse_or_go_on()
