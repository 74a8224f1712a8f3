"""The client that tests of MarketSharp ask with, and what they know of its records."""

import requests
from lxml import etree

#: Records of a sandbox of 250 prospects.
COUNTS = {"contacts": 166, "leads": 124, "jobs": 55, "activities": 166}


class Api:
    """A client that asks what it is told; records are dicts of their elements' text."""

    def __init__(self, crm):
        self.crm = crm
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["X-API-Key"] = "sandbox-marketsharp-token"

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.session.close()

    def get(self, path, **params):
        return self.session.get(self.crm.base_url + path, params=params, timeout=5)

    def root(self, path, **params):
        answer = self.get(path, **params)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/xml"
        return etree.fromstring(answer.content)

    def page(self, entity, **params):
        return [fields(element) for element in self.root(f"/{entity}", **params)]

    def all(self, entity, **params):
        """Every record: pages until one is not full."""
        records, page, per_page = [], 1, params.pop("per_page", 50)
        while len(records) == (page - 1) * per_page:
            records += self.page(entity, page=page, per_page=per_page, **params)
            page += 1
        return records


def fields(element):
    return {child.tag: child.text or "" for child in element}


def ids(records):
    return [record["ID"] for record in records]
