"""The client that tests of ActiveProspect ask with."""

import requests

#: Records of a sandbox of 250 prospects.
COUNTS = {"leads": 125, "events": 375}


class Api:
    """A client that asks what it is told and repairs nothing."""

    def __init__(self, crm):
        self.crm = crm
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = "Bearer sandbox-activeprospect-token"

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.session.close()

    def get(self, path, **params):
        return self.session.get(self.crm.base_url + path, params=params, timeout=5)

    def page(self, entity, **params):
        answer = self.get(f"/{entity}", **params)
        assert answer.status_code == 200
        page = answer.json()
        assert set(page) == {"data", "next_cursor"}
        return page["data"], page["next_cursor"]

    def all(self, entity, **params):
        """Every record, from cursor to cursor."""
        records, cursor = self.page(entity, **params)
        while cursor is not None:
            more, cursor = self.page(entity, after=cursor, **params)
            records += more
        return records


def ids(records):
    return [record["id"] for record in records]
