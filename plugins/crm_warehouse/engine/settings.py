"""What a run works with: run parameter, then ``ops.sync_configurations``, then YAML."""

from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate
from psycopg.rows import dict_row

from crm_warehouse.engine.job import SyncRequest
from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.queries import query
from crm_warehouse.errors import ConfigurationError, SyncDisabledError

#: Limits of the owner for records asked for per request.
SMALLEST_BATCH, LARGEST_BATCH = 1, 1000
#: So many times the largest of many jobs: an import, not a busy day.
_MAX_VOLUME_FACTOR = 10.0


class _ConfigSchema(Schema):
    """Keys that ``ops.sync_configurations.config`` may hold."""

    batch_size = fields.Integer(
        strict=True, validate=validate.Range(SMALLEST_BATCH, LARGEST_BATCH)
    )
    max_delete_share = fields.Float(validate=validate.Range(0, 1))
    max_volume_factor = fields.Float(validate=validate.Range(1))


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one run.

    Attributes:
        page_size: Records asked for per request, never above what the API allows.
        max_delete_share: Largest share of live rows that a job may delete.
        max_volume_factor: How many times as much as the jobs before one may bring.
    """

    page_size: int
    max_delete_share: float
    max_volume_factor: float


def load(conn: Connection, request: SyncRequest) -> Settings:
    """Settings of the request, with its row in ``ops.sync_configurations`` made sure.

    Raises:
        SyncDisabledError: ``is_active`` is false.
        ConfigurationError: ``config``, or the batch size asked for, is wrong.
    """
    entity = request.entity
    name = f"{request.source_system}__{entity.name}"
    values = {
        "name": name,
        "source_system": request.source_system,
        "entity_type": entity.name,
        "schedule": entity.schedule,
    }
    conn.execute(query("declare_settings"), values)
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query("load_settings"), values).fetchone()
    assert row is not None  # noqa: S101  it was declared a moment ago
    if not row["is_active"]:
        raise SyncDisabledError(
            f"{name} is switched off in ops.sync_configurations;"
            " set is_active = true to load it"
        )
    config = _checked(name, row["config"])
    size = request.batch_size
    if size is None:
        size = config.get("batch_size", request.source.paging.size)
    if not SMALLEST_BATCH <= size <= LARGEST_BATCH:
        raise ConfigurationError(
            f"batch size {size}: must be from {SMALLEST_BATCH} to {LARGEST_BATCH}"
        )
    return Settings(
        page_size=min(size, request.source.paging.max_size),
        max_delete_share=config.get("max_delete_share", entity.deletes.max_share),
        max_volume_factor=config.get("max_volume_factor", _MAX_VOLUME_FACTOR),
    )


def _checked(name: str, config: Any) -> dict[str, Any]:
    try:
        checked: dict[str, Any] = _ConfigSchema().load(config)
    except ValidationError as error:
        problems = error.messages_dict
        raise ConfigurationError(
            *(
                f"ops.sync_configurations, {name}: config.{key}: {'; '.join(texts)}"
                for key, texts in problems.items()
            )
        ) from None
    return checked
