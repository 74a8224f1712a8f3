-- Write which records of a unified table were merged into which. %(losers)s and
-- %(survivors)s: source ids, in the same order; no survivor was merged itself.
-- Returns nothing. Safe to repeat: an equal redirect is not written. The caller holds the
-- entity's rows (lock_rows.sql): nobody else writes these.
INSERT INTO warehouse.merged_records AS m (
    source_system, unified_table, source_id, survivor_source_id, job_id
)
SELECT %(source_system)s, %(unified_table)s, t.loser, t.survivor, %(job_id)s
FROM unnest(%(losers)s::text[], %(survivors)s::text[]) AS t (loser, survivor)
ON CONFLICT (source_system, unified_table, source_id) DO UPDATE SET
    survivor_source_id = excluded.survivor_source_id,
    job_id = excluded.job_id,
    updated_at = clock_timestamp()
WHERE m.survivor_source_id <> excluded.survivor_source_id
