"""Pipelines of deals with their stages, as ``/crm/v3/pipelines/deals`` answers them.

A stage's id is unique only in its pipeline: both pipelines here have the same ids. See
https://developers.hubspot.com/docs/api-reference/crm-pipelines-v3/guide
"""

from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from include.sandbox.clock import EPOCH, iso_milliseconds, parse_moment
from include.sandbox.hubspot.properties import DEAL_STAGES, PIPELINES
from include.sandbox.hubspot.render import render
from include.sandbox.records import Birth, Blueprint, Fields, Record
from include.sandbox.table import Table

_IDS = tuple(DEAL_STAGES)
#: Stage -> its probability, which is the same in both pipelines.
_PROBABILITIES = dict(
    zip(_IDS, ("0.2", "0.4", "0.6", "0.8", "0.9", "1.0", "0.0"), strict=True)
)
_LABELS = {
    "default": DEAL_STAGES,
    "renovation": dict(
        zip(
            _IDS,
            ("Survey booked", "Surveyed", "Plan shown", "Plan accepted",
             "Contract with customer", "Renovating", "Not this year"),
            strict=True,
        )
    ),
}  # fmt: skip
_MADE_AT = iso_milliseconds(EPOCH - timedelta(days=900))
_ADDED = ("Second visit", "On hold", "Financing", "Permit asked for")


def stages() -> Table:
    """All stages of both pipelines; a deleted one is gone for good."""
    blueprint = Blueprint(
        "pipelines", 0, _make, _touch, _source_id, _unify,
        wire_id=lambda key: ":".join(_place(key)), milliseconds=True, render=render,
    )  # fmt: skip
    return Table(blueprint, "stages", len(_LABELS) * len(_IDS), 0.0)


def listed(table: Table) -> dict[str, Any]:
    """The answer: every pipeline with its stages, none of them paged."""
    held: dict[str, list[Fields]] = {pipeline: [] for pipeline in PIPELINES}
    for record in table.live.values():
        fields = _parsed(table, record)
        held[fields["pipeline"]].append(fields["stage"])
    return {
        "results": [
            {
                "label": PIPELINES[pipeline],
                "displayOrder": order,
                "id": pipeline,
                "stages": sorted(found, key=lambda stage: stage["displayOrder"]),
                "createdAt": _MADE_AT,
                "updatedAt": _MADE_AT,
                "archived": False,
            }
            for order, (pipeline, found) in enumerate(held.items())
        ]
    }


def _parsed(table: Table, record: Record) -> Fields:
    return table.blueprint.parse(record.body)


def _place(key: int) -> tuple[str, str]:
    pipelines = list(_LABELS)
    if key < len(pipelines) * len(_IDS):
        return pipelines[key // len(_IDS)], _IDS[key % len(_IDS)]
    return pipelines[0], str(90_000_000 + key)


def _make(birth: Birth) -> Fields:
    pipeline, stage = _place(birth.key)
    known = stage in _LABELS[pipeline]
    probability = _PROBABILITIES.get(stage, "0.5")
    return {
        "pipeline": pipeline,
        "stage": {
            "label": _LABELS[pipeline][stage] if known else birth.rng.choice(_ADDED),
            "displayOrder": birth.key % len(_IDS) if known else birth.key,
            "metadata": {
                "isClosed": "true" if probability in ("0.0", "1.0") else "false",
                "probability": probability,
            },
            "id": stage,
            "createdAt": iso_milliseconds(birth.created),
            "updatedAt": iso_milliseconds(birth.modified),
            "archived": False,
        },
    }


def _touch(fields: Fields, rng: Random, modified: datetime, *_: Any) -> None:
    stage = fields["stage"]
    stage["label"] = f"{stage['label'].partition(' (')[0]} ({rng.randrange(10**6)})"
    stage["updatedAt"] = iso_milliseconds(modified)


def _source_id(fields: Fields) -> str:
    return f"{fields['pipeline']}:{fields['stage']['id']}"


def _unify(fields: Fields) -> Fields:
    """Columns of ``warehouse.pipeline_stages``."""
    pipeline, stage = fields["pipeline"], fields["stage"]
    closed = stage["metadata"]["isClosed"] == "true"
    probability = Decimal(stage["metadata"]["probability"])
    return {
        "name": stage["label"],
        "stage": stage["id"],
        "position": stage["displayOrder"],
        "probability": f"{probability:.2f}",
        "is_closed": closed,
        "is_won": closed and probability == 1,
        "pipeline_source_id": pipeline,
        "pipeline_name": PIPELINES[pipeline],
        "pipeline_position": list(PIPELINES).index(pipeline),
        "source_created_at": _instant(stage["createdAt"]),
        "source_updated_at": _instant(stage["updatedAt"]),
    }


def _instant(text: str) -> str | None:
    moment = parse_moment(text)
    return iso_milliseconds(moment) if moment else None
