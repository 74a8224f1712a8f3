-- Under which ids records say that other systems know them. Creates schema identity, a
-- table and views. Applied once, in one transaction; nothing that exists is changed, so
-- a process of the release before goes on and writes none of it: a replay makes up for it.

CREATE SCHEMA identity;
COMMENT ON SCHEMA identity IS 'Who is the same person across systems, and who says so';

CREATE TABLE identity.known_keys (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_system text NOT NULL,
    entity_type text NOT NULL,
    source_id text NOT NULL,
    key_kind text NOT NULL,
    key_value text NOT NULL,
    said_from timestamptz NOT NULL DEFAULT clock_timestamp(),
    job_id bigint NOT NULL,
    said_until timestamptz,
    end_reason text,
    end_job_id bigint,
    CONSTRAINT known_keys_end CHECK (
        (said_until IS NULL) = (end_reason IS NULL)
        AND (said_until IS NULL) = (end_job_id IS NULL)
        AND end_reason IN (
            'changed',  -- the record does not say so any more
            'gone'      -- the record is no more: deleted, or merged into another
        )
    )
);
-- What a record says, each thing once.
CREATE UNIQUE INDEX known_keys_living
    ON identity.known_keys (source_system, entity_type, source_id, key_kind, key_value)
    WHERE said_until IS NULL;
-- What it said once.
CREATE INDEX known_keys_ended
    ON identity.known_keys (source_system, entity_type, source_id)
    WHERE said_until IS NOT NULL;
-- Who names a record, or carries a key.
CREATE INDEX known_keys_value ON identity.known_keys (key_kind, key_value);
COMMENT ON TABLE identity.known_keys IS
    'Each record represents: one key that one record of a source says it is known by elsewhere, from when until when. Example: which HubSpot contacts name this MarketSharp contact?';
COMMENT ON COLUMN identity.known_keys.id IS 'Key of this statement';
COMMENT ON COLUMN identity.known_keys.source_system IS 'Which system the record lives in that says so';
COMMENT ON COLUMN identity.known_keys.entity_type IS 'Its entity, e.g. contacts';
COMMENT ON COLUMN identity.known_keys.source_id IS 'Its id there';
COMMENT ON COLUMN identity.known_keys.key_kind IS 'Whose id the key is: <source system>.<entity>; or a name alone, such as certificate, for what several systems write down';
COMMENT ON COLUMN identity.known_keys.key_value IS 'The key: trimmed, whole numbers without a fraction, UUIDs in small letters';
COMMENT ON COLUMN identity.known_keys.said_from IS 'When the warehouse learned it';
COMMENT ON COLUMN identity.known_keys.job_id IS 'Job in ops.sync_jobs that learned it';
COMMENT ON COLUMN identity.known_keys.said_until IS 'When the warehouse learned that the record does not say so any more; NULL: it does';
COMMENT ON COLUMN identity.known_keys.end_reason IS 'changed: the record says otherwise; gone: it was deleted or merged; NULL: it says so';
COMMENT ON COLUMN identity.known_keys.end_job_id IS 'Job in ops.sync_jobs that learned it';

CREATE VIEW identity.entities AS
SELECT source_system, entity_type, spec -> 'entity' ->> 'into' AS unified_table
FROM ops.source_specs
OFFSET 0;  -- the definition is long: read once, not for each record
COMMENT ON VIEW identity.entities IS
    'Each record represents: one entity that was loaded, and the table of schema warehouse that its records fill';
COMMENT ON COLUMN identity.entities.source_system IS 'Source system';
COMMENT ON COLUMN identity.entities.entity_type IS 'Entity of it';
COMMENT ON COLUMN identity.entities.unified_table IS 'Its table in schema warehouse';

CREATE VIEW identity.records AS
SELECT 'contacts' AS unified_table, id, source_system, source_id, id AS contact_id, is_deleted
FROM warehouse.contacts
UNION ALL
SELECT 'leads', id, source_system, source_id, contact_id, is_deleted FROM warehouse.leads
UNION ALL
SELECT 'appointments', id, source_system, source_id, contact_id, is_deleted
FROM warehouse.appointments
UNION ALL
SELECT 'jobs', id, source_system, source_id, contact_id, is_deleted FROM warehouse.jobs
UNION ALL
SELECT 'activities', id, source_system, source_id, contact_id, is_deleted
FROM warehouse.activities
UNION ALL
SELECT 'contact_phones', id, source_system, source_id, contact_id, is_deleted
FROM warehouse.contact_phones
UNION ALL
SELECT 'addresses', id, source_system, source_id, contact_id, is_deleted
FROM warehouse.addresses
UNION ALL
SELECT 'companies', id, source_system, source_id, NULL, is_deleted FROM warehouse.companies
UNION ALL
SELECT 'lead_events', id, source_system, source_id, NULL, is_deleted
FROM warehouse.lead_events
UNION ALL
SELECT 'users', id, source_system, source_id, NULL, is_deleted FROM warehouse.users
UNION ALL
SELECT 'pipeline_stages', id, source_system, source_id, NULL, is_deleted
FROM warehouse.pipeline_stages
UNION ALL
SELECT 'divisions', id, source_system, source_id, NULL, is_deleted FROM warehouse.divisions
UNION ALL
SELECT 'marketing_sources', id, source_system, source_id, NULL, is_deleted
FROM warehouse.marketing_sources;
COMMENT ON VIEW identity.records IS
    'Each record represents: one row of a table of schema warehouse that a known key may name';
COMMENT ON COLUMN identity.records.unified_table IS 'Table of schema warehouse';
COMMENT ON COLUMN identity.records.id IS 'Key of the row there';
COMMENT ON COLUMN identity.records.source_system IS 'Which system the record lives in';
COMMENT ON COLUMN identity.records.source_id IS 'Its id there';
COMMENT ON COLUMN identity.records.contact_id IS 'The contact: the row itself, or the one that it belongs to';
COMMENT ON COLUMN identity.records.is_deleted IS 'The record is gone in the source';

CREATE VIEW identity.said_keys AS
SELECT
    k.id,
    k.source_system,
    k.entity_type,
    k.source_id AS said_by,
    coalesce(m.survivor_source_id, k.source_id) AS source_id,
    e.unified_table,
    k.key_kind,
    k.key_value,
    k.said_from,
    k.job_id
FROM identity.known_keys AS k
LEFT JOIN identity.entities AS e
    ON e.source_system = k.source_system AND e.entity_type = k.entity_type
LEFT JOIN warehouse.merged_records AS m
    ON m.source_system = k.source_system
    AND m.unified_table = e.unified_table
    AND m.source_id = k.source_id
WHERE k.said_until IS NULL
    -- What a record said last before it was merged, it says for its survivor.
    OR (
        k.end_reason = 'gone'
        AND m.survivor_source_id IS NOT NULL
        AND k.end_job_id = (
            SELECT max(l.end_job_id) FROM identity.known_keys AS l
            WHERE l.source_system = k.source_system
                AND l.entity_type = k.entity_type
                AND l.source_id = k.source_id
                AND l.said_until IS NOT NULL
                AND l.end_reason = 'gone'
        )
    );
COMMENT ON VIEW identity.said_keys IS
    'Each record represents: one key that is said now; what a merged record said last counts for its survivor';
COMMENT ON COLUMN identity.said_keys.id IS 'The statement in identity.known_keys';
COMMENT ON COLUMN identity.said_keys.source_system IS 'Which system the record lives in that says so';
COMMENT ON COLUMN identity.said_keys.entity_type IS 'Its entity';
COMMENT ON COLUMN identity.said_keys.said_by IS 'Id of the record that says so, or said so before it was merged';
COMMENT ON COLUMN identity.said_keys.source_id IS 'Id of the record that it is now: itself, or its survivor';
COMMENT ON COLUMN identity.said_keys.unified_table IS 'Its table in schema warehouse';
COMMENT ON COLUMN identity.said_keys.key_kind IS 'Whose id the key is, or what it is';
COMMENT ON COLUMN identity.said_keys.key_value IS 'The key';
COMMENT ON COLUMN identity.said_keys.said_from IS 'When the warehouse learned it';
COMMENT ON COLUMN identity.said_keys.job_id IS 'Job in ops.sync_jobs that learned it';

CREATE VIEW identity.known_links AS
WITH linked AS NOT MATERIALIZED (
    -- A record names another by its id.
    SELECT
        k.*,
        split_part(k.key_kind, '.', 1) AS linked_system,
        split_part(k.key_kind, '.', 2) AS linked_entity,
        coalesce(m.survivor_source_id, k.key_value) AS linked_source_id,
        e.unified_table AS linked_table
    FROM identity.said_keys AS k
    LEFT JOIN identity.entities AS e
        ON e.source_system = split_part(k.key_kind, '.', 1)
        AND e.entity_type = split_part(k.key_kind, '.', 2)
    LEFT JOIN warehouse.merged_records AS m
        ON m.source_system = split_part(k.key_kind, '.', 1)
        AND m.unified_table = e.unified_table
        AND m.source_id = k.key_value
    WHERE k.key_kind LIKE '%.%'
    UNION ALL
    -- Two records carry one key, that few carry: what many do is nobody's own.
    SELECT
        k.*, o.source_system, o.entity_type, o.source_id, o.unified_table
    FROM identity.said_keys AS k
    JOIN identity.said_keys AS o
        ON o.key_kind = k.key_kind
        AND o.key_value = k.key_value
        AND (o.source_system, o.entity_type, o.source_id)
            > (k.source_system, k.entity_type, k.source_id)
    WHERE k.key_kind NOT LIKE '%.%'
        AND (
            SELECT count(*) FROM (
                SELECT FROM identity.known_keys AS c
                WHERE c.key_kind = k.key_kind
                    AND c.key_value = k.key_value
                    AND c.said_until IS NULL
                LIMIT 9
            ) AS carried
        ) <= 8
)
SELECT
    l.source_system,
    l.entity_type,
    l.source_id,
    l.said_by,
    r.id AS row_id,
    r.contact_id,
    l.key_kind,
    l.key_value,
    l.linked_system,
    l.linked_entity,
    l.linked_source_id,
    o.id AS linked_row_id,
    o.contact_id AS linked_contact_id,
    CASE
        WHEN r.id IS NULL OR o.id IS NULL THEN 'dangling'
        WHEN r.is_deleted OR o.is_deleted THEN 'deleted'
        ELSE 'linked'
    END AS state,
    l.said_from,
    l.id AS statement_id,
    l.job_id
FROM linked AS l
LEFT JOIN identity.records AS r
    ON r.unified_table = l.unified_table
    AND r.source_system = l.source_system
    AND r.source_id = l.source_id
LEFT JOIN identity.records AS o
    ON o.unified_table = l.linked_table
    AND o.source_system = l.linked_system
    AND o.source_id = l.linked_source_id;
COMMENT ON VIEW identity.known_links IS
    'Each record represents: one link between two records that one of them says, or a key that both carry; merged records stand for their survivors. Example: which contact of MarketSharp is this HubSpot contact, and who says so?';
COMMENT ON COLUMN identity.known_links.source_system IS 'Which system the record lives in that says so';
COMMENT ON COLUMN identity.known_links.entity_type IS 'Its entity';
COMMENT ON COLUMN identity.known_links.source_id IS 'Its id there, or that of its survivor';
COMMENT ON COLUMN identity.known_links.said_by IS 'Id of the record that says so, or said so before it was merged';
COMMENT ON COLUMN identity.known_links.row_id IS 'Its row in the table of schema warehouse that its entity fills; NULL: none';
COMMENT ON COLUMN identity.known_links.contact_id IS 'Its contact in warehouse.contacts: itself, or the one that it belongs to';
COMMENT ON COLUMN identity.known_links.key_kind IS 'Whose id the key is, or what it is';
COMMENT ON COLUMN identity.known_links.key_value IS 'The key as it is said';
COMMENT ON COLUMN identity.known_links.linked_system IS 'Which system the other record lives in';
COMMENT ON COLUMN identity.known_links.linked_entity IS 'Its entity';
COMMENT ON COLUMN identity.known_links.linked_source_id IS 'Its id there, or that of its survivor';
COMMENT ON COLUMN identity.known_links.linked_row_id IS 'Its row, likewise; NULL: none';
COMMENT ON COLUMN identity.known_links.linked_contact_id IS 'Its contact, likewise';
COMMENT ON COLUMN identity.known_links.state IS 'linked; dangling: one of the two has no row here; deleted: a row is marked as deleted';
COMMENT ON COLUMN identity.known_links.said_from IS 'When the warehouse learned it';
COMMENT ON COLUMN identity.known_links.statement_id IS 'The statement in identity.known_keys';
COMMENT ON COLUMN identity.known_links.job_id IS 'Job in ops.sync_jobs that learned it';

CREATE VIEW identity.known_conflicts AS
WITH named AS MATERIALIZED (
    SELECT DISTINCT
        source_system, entity_type, source_id, linked_system, linked_entity,
        linked_source_id
    FROM identity.known_links
    WHERE key_kind LIKE '%.%' AND state <> 'deleted'
),
-- Of each record, by whose records it is about: who names it, and whom it names. Grouped,
-- not joined, so that the cost does not hang on what the planner expects.
told AS MATERIALIZED (
    SELECT
        system, entity, source_id, other_system, other_entity,
        array_agg(other_id ORDER BY other_id) FILTER (WHERE is_named) AS named_by,
        array_agg(other_id ORDER BY other_id) FILTER (WHERE NOT is_named) AS names
    FROM (
        SELECT
            linked_system AS system, linked_entity AS entity,
            linked_source_id AS source_id, source_system AS other_system,
            entity_type AS other_entity, source_id AS other_id, true AS is_named
        FROM named
        UNION ALL
        SELECT
            source_system, entity_type, source_id, linked_system, linked_entity,
            linked_source_id, false
        FROM named
    ) AS ends
    GROUP BY system, entity, source_id, other_system, other_entity
)
SELECT
    'claimed_by_several' AS conflict,
    other_system AS source_system,
    other_entity AS entity_type,
    named_by AS source_ids,
    system AS linked_system,
    entity AS linked_entity,
    ARRAY[source_id] AS linked_source_ids
FROM told
WHERE cardinality(named_by) > 1
UNION ALL
SELECT
    'names_several', system, entity, ARRAY[source_id], other_system, other_entity, names
FROM told
WHERE cardinality(names) > 1
UNION ALL
SELECT
    'denied', other_system, other_entity, claimant || names, system, entity,
    ARRAY[source_id]
FROM told
CROSS JOIN LATERAL unnest(named_by) AS claimant
WHERE NOT claimant = ANY(names);
COMMENT ON VIEW identity.known_conflicts IS
    'Each record represents: one contradiction among the records that name each other. Example: which MarketSharp contacts do two contacts of HubSpot claim to be?';
COMMENT ON COLUMN identity.known_conflicts.conflict IS 'claimed_by_several records of one entity; names_several of one entity; denied: who is named names another';
COMMENT ON COLUMN identity.known_conflicts.source_system IS 'Which system the records live in that say so';
COMMENT ON COLUMN identity.known_conflicts.entity_type IS 'Their entity';
COMMENT ON COLUMN identity.known_conflicts.source_ids IS 'Their ids; of what is denied the one that says so, then those that are named instead';
COMMENT ON COLUMN identity.known_conflicts.linked_system IS 'Which system the named records live in';
COMMENT ON COLUMN identity.known_conflicts.linked_entity IS 'Their entity';
COMMENT ON COLUMN identity.known_conflicts.linked_source_ids IS 'Their ids';
