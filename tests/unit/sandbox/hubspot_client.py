"""The client that tests of the HubSpot stand-in ask with."""

from typing import Any

import requests

from include.sandbox.crm import Crm

TYPES = ("contacts", "deals", "companies")
MODIFIED = {
    "contacts": "lastmodifieddate",
    "deals": "hs_lastmodifieddate",
    "companies": "hs_lastmodifieddate",
}


class HubSpotApi:
    """A client that asks what it is told and repairs nothing."""

    def __init__(self, crm: Crm) -> None:
        self.crm = crm
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {crm.token}"

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.session.get(self.crm.base_url + path, params=params, timeout=10)

    def post(self, path: str, call: Any, **params: Any) -> requests.Response:
        url = self.crm.base_url + path
        return self.session.post(url, json=call, params=params, timeout=10)

    def page(self, entity: str, **params: Any) -> dict[str, Any]:
        answer = self.get(f"/crm/v3/objects/{entity}", **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def walk(self, entity: str, **params: Any) -> list[dict[str, Any]]:
        """The pages of a list, until no cursor comes."""
        pages = [self.page(entity, **params)]
        while after := after_of(pages[-1]):
            pages.append(self.page(entity, **params, after=after))
        return pages

    def all(self, entity: str, **params: Any) -> list[dict[str, Any]]:
        """Every record with every property."""
        names = ",".join(p["name"] for p in self.properties(entity))
        pages = self.walk(entity, limit=100, properties=names, **params)
        return [record for page in pages for record in page["results"]]

    def properties(self, entity: str) -> list[dict[str, Any]]:
        return self.get(f"/crm/v3/properties/{entity}").json()["results"]

    def try_search(self, entity: str, **call: Any) -> requests.Response:
        return self.post(f"/crm/v3/objects/{entity}/search", call)

    def search(self, entity: str, *filters: Any, **call: Any) -> dict[str, Any]:
        """One page of the search for records that meet all filters."""
        if filters:
            call["filterGroups"] = [{"filters": list(filters)}]
        answer = self.try_search(entity, **call)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def search_all(self, entity: str, *filters: Any, **call: Any) -> list[str]:
        """Ids of all hits, page after page."""
        found, after = [], "0"
        while after:
            page = self.search(entity, *filters, **call, after=after)
            found += ids(page)
            after = after_of(page)
        return found

    def batch(self, entity: str, keys: Any, **more: Any) -> requests.Response:
        call = {"inputs": [{"id": key} for key in keys], **more}
        return self.post(f"/crm/v3/objects/{entity}/batch/read", call)

    def associated(self, origin: str, target: str, *inputs: Any) -> requests.Response:
        call = {"inputs": [i if isinstance(i, dict) else {"id": i} for i in inputs]}
        path = f"/crm/v4/associations/{origin}/{target}/batch/read"
        return self.post(path, call)


def condition(name: str, operator: str, **more: Any) -> dict[str, Any]:
    return {"propertyName": name, "operator": operator, **more}


def after_of(page: dict[str, Any]) -> str | None:
    return page.get("paging", {}).get("next", {}).get("after")


def ids(page: dict[str, Any]) -> list[str]:
    return [record["id"] for record in page["results"]]
