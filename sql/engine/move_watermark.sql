-- Move the watermark to the end of a completely read window.
-- Returns nothing. Only forward, and only when the window left no gap: it began at or
-- before the watermark, or read everything. Safe to repeat.
INSERT INTO ops.watermarks AS w (source_system, entity_type, via, watermark, job_id)
SELECT j.source_system, j.entity_type, j.via, j.window_end, j.id
FROM ops.sync_jobs AS j
LEFT JOIN ops.watermarks AS o USING (source_system, entity_type, via)
WHERE j.id = %(job_id)s
    AND j.window_end IS NOT NULL
    AND (j.window_start IS NULL OR j.window_start <= o.watermark)
ON CONFLICT (source_system, entity_type, via) DO UPDATE SET
    watermark = greatest(w.watermark, excluded.watermark),
    job_id = excluded.job_id,
    updated_at = clock_timestamp()
WHERE excluded.watermark > w.watermark
