"""The task that maps again what is in quarantine."""

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from crm_warehouse.errors import ConfigurationError, SyncDisabledError
from crm_warehouse.spec import Entity, Source

if TYPE_CHECKING:
    from airflow.sdk import Context

    from crm_warehouse.engine.job import SyncResult

#: What a run's parameter says that leaves nothing out.
ALL = "all"


class ReprocessOperator(BaseOperator):
    """Map again what is in quarantine, entity after entity; ask no source.

    Green when every entity was tried, whatever stays in quarantine. When some fail, the
    others are tried all the same, and the task fails with the first failure.

    Args:
        sources: All sources of the bundle.
        source: Only this source, or ``all``.
        entity: Only this entity of it, or ``all``.
    """

    template_fields = ("source", "entity")
    ui_color = "#fef3c7"

    def __init__(
        self,
        *,
        sources: tuple[Source, ...],
        source: str = "{{ params.source }}",
        entity: str = "{{ params.entity }}",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sources = sources
        self.source = source
        self.entity = entity

    def execute(self, context: "Context") -> list[dict[str, Any]]:
        """Try everything that is open and asked for.

        Returns:
            The counters of each entity's job, as ``SyncResult.as_contract`` has them.

        Raises:
            CrmWarehouseError: The first failure, after the others were tried.
        """
        # Imported here: this module is imported whenever a DAG file is parsed.
        from crm_warehouse.hooks.warehouse import WarehouseHook

        asked = self._asked()
        conninfo = WarehouseHook().conninfo()
        done: list[dict[str, Any]] = []
        failures: list[Exception] = []
        for source, entity in self._open(conninfo, asked):
            try:
                result = self._reprocess(context, conninfo, source, entity)
            except SyncDisabledError as error:
                self.log.info("%s", error)
            except Exception as error:  # the others are not to wait for it
                self.log.exception("%s %s failed", source.name, entity.name)
                failures.append(error)
            else:
                done.append(result.as_contract())
        if failures:
            raise failures[0]
        self.log.info("%d entities tried", len(done))
        return done

    def _open(
        self, conninfo: str, asked: dict[str, list[Entity]]
    ) -> list[tuple[Source, Entity]]:
        """Entities that are asked for and have something open."""
        import psycopg

        from crm_warehouse.engine.reprocess import find_open

        with psycopg.connect(conninfo, autocommit=True) as conn:
            return [
                (source, entity)
                for source in self.sources
                for entity in find_open(conn, source, source.name)
                if entity in asked.get(source.name, ())
            ]

    def _asked(self) -> dict[str, list[Entity]]:
        """Entities that the parameters let pass, by source."""
        known = {source.name: source for source in self.sources}
        if self.source != ALL and self.source not in known:
            raise ConfigurationError(
                f"run parameter source: there is no {self.source!r}; there are"
                f" {', '.join(known)}"
            )
        if self.entity == ALL:
            names = list(known) if self.source == ALL else [self.source]
            return {name: list(known[name].all_entities.values()) for name in names}
        if self.source == ALL:
            raise ConfigurationError(
                "run parameter entity: choose the source too, whose entity it is"
            )
        entity = known[self.source].entity(self.entity)
        if entity is None:
            raise ConfigurationError(
                f"run parameter entity: {self.source} has no {self.entity!r}; it has"
                f" {', '.join(known[self.source].all_entities)}"
            )
        return {self.source: [entity]}

    def _log_chunk(self, so_far: "SyncResult") -> None:
        self.log.info(
            "job %d so far: %d tried", so_far.job_id, so_far.records_processed
        )

    def _reprocess(
        self, context: "Context", conninfo: str, source: Source, entity: Entity
    ) -> "SyncResult":
        from crm_warehouse.engine.reprocess import ReprocessRequest, reprocess

        task_instance = context["ti"]
        request = ReprocessRequest(
            source,
            entity,
            source.name,
            triggered_by="airflow",
            dag_id=task_instance.dag_id,
            run_id=task_instance.run_id,
        )
        result = reprocess(request, conninfo=conninfo, progress=self._log_chunk)
        self.log.info(
            "%s %s, job %d: %d tried, %d created, %d updated, %d stay rejected, "
            "%d warnings",
            source.name,
            entity.name,
            result.job_id,
            result.records_processed,
            result.records_created,
            result.records_updated,
            result.records_failed,
            result.warnings,
        )
        return result
