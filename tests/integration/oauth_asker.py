"""Wants the access token of a connection as one process of several.

The task comes as JSON on standard input: conninfo, settings of OAuth, environ. Prints
``ready``; for each line that comes it prints a digest of the token that it has then,
having said before, every time but the first, that the one before was refused.
"""

import hashlib
import json
import sys

from crm_warehouse.clients.oauth import OAuthTokens
from crm_warehouse.clients.requests_transport import RequestsTransport
from crm_warehouse.connections.oauth import OAuthSettings
from crm_warehouse.engine.oauth_tokens import StoredTokens


def main() -> None:
    task = json.loads(sys.stdin.readline())
    settings = OAuthSettings(**task["settings"])
    transport = RequestsTransport(settings.token_url, timeout_seconds=60)
    store = StoredTokens(task["conninfo"], task["environ"])
    tokens = OAuthTokens(settings, store, transport)
    token = ""
    print("ready", flush=True)
    for _ in sys.stdin:
        if token:
            tokens.renew(token, 1)
        token = tokens.current()
        print(hashlib.sha256(token.encode()).hexdigest(), flush=True)


if __name__ == "__main__":
    main()
