-- What sources let records have, and how that changed. Adds two tables to schema ops.
-- Applied once, in one transaction.

CREATE TABLE ops.source_properties (
    source_system text NOT NULL,
    entity_type text NOT NULL,
    property text NOT NULL,
    type text NOT NULL,
    label text NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    removed_at timestamptz,
    PRIMARY KEY (source_system, entity_type, property)
);
COMMENT ON TABLE ops.source_properties IS
    'Each record represents: a property that records of an entity may have or had, as the source last described it. Example: which properties could still be mapped?';
COMMENT ON COLUMN ops.source_properties.removed_at IS
    'When a job first did not find it any more; NULL: it is there';

CREATE TABLE ops.schema_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_system text NOT NULL,
    entity_type text NOT NULL,
    property text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('added', 'removed', 'retyped', 'relabelled')),
    old_value text,
    new_value text,
    columns text[] NOT NULL DEFAULT '{}',
    job_id bigint NOT NULL,
    noticed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX schema_changes_noticed_at ON ops.schema_changes (noticed_at);
COMMENT ON TABLE ops.schema_changes IS
    'Each record represents: one change of what records of an entity may have, noticed once, by the job that came next. Example: what changed in HubSpot''s properties last week?';
COMMENT ON COLUMN ops.schema_changes.kind IS
    'added, removed, retyped (old and new type) or relabelled (old and new label)';
COMMENT ON COLUMN ops.schema_changes.columns IS
    'Columns that were mapped from it then, as table.column';
COMMENT ON COLUMN ops.schema_changes.job_id IS 'Job in ops.sync_jobs that noticed it';
