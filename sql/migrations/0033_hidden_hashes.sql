-- Hides, of what an erasure has redacted, the hashes by which its values could be guessed:
-- each becomes an HMAC under the key in ops.erasure_key.
-- Applied once, in one transaction, by `crm_warehouse migrate`. Reads the inbox once, about a
-- second for a million events, and writes only what is redacted. A process of the release
-- before goes on working; what it redacts after this keeps plain hashes.

CREATE TEMPORARY TABLE pads ON COMMIT DROP AS
SELECT
    string_agg(set_byte('\x00'::bytea, 0, each.byte # 54), ''::bytea ORDER BY each.i) AS inner_pad,
    string_agg(set_byte('\x00'::bytea, 0, each.byte # 92), ''::bytea ORDER BY each.i) AS outer_pad
FROM (
    SELECT i, CASE WHEN i < length(k.key) THEN get_byte(k.key, i) ELSE 0 END AS byte
    FROM ops.erasure_key AS k, generate_series(0, 63) AS i
) AS each;

UPDATE staging.webhook_deliveries AS d SET
    body_sha256 = CASE
        WHEN d.body_sha256 ~ '^[0-9a-f]{64}$' THEN 'hmac.' || encode(
            sha256(p.outer_pad || sha256(p.inner_pad || convert_to(d.body_sha256, 'UTF8'))), 'hex'
        )
        ELSE d.body_sha256
    END,
    replay_key = CASE
        WHEN d.replay_key ~ '^(sha256\.)?[0-9a-f]{64}$' THEN 'hmac.' || encode(
            sha256(p.outer_pad || sha256(p.inner_pad || convert_to(d.replay_key, 'UTF8'))), 'hex'
        )
        ELSE d.replay_key
    END
FROM pads AS p
WHERE d.redacted_at IS NOT NULL;

-- Also keys of elements that could not be read, beside what was redacted: they are hashes
-- of bytes that may have gone. One that is of its place alone stays.
UPDATE staging.webhook_events AS e SET
    dedupe_key = 'hmac.' || encode(
        sha256(p.outer_pad || sha256(p.inner_pad || convert_to(e.dedupe_key, 'UTF8'))), 'hex'
    )
FROM pads AS p, staging.webhook_deliveries AS d
WHERE d.id = e.delivery_id
    AND (
        e.redacted_at IS NOT NULL
        OR (d.redacted_at IS NOT NULL AND e.payload IS NULL AND e.object_id IS NULL)
    )
    AND e.dedupe_key ~ '^[0-9a-f]{64}$'
    AND e.dedupe_key <> encode(
        sha256(convert_to(e.delivery_id || '/' || e.position, 'UTF8')), 'hex'
    );

COMMENT ON COLUMN staging.webhook_deliveries.replay_key IS
    'Same key, same delivery: its signed time and its signature, or a hash of its body; hidden by a key once the body is redacted';
COMMENT ON COLUMN staging.webhook_deliveries.body_sha256 IS
    'HMAC, under the key in ops.erasure_key, of the SHA-256 of the signed bytes, once body is not them any more';
COMMENT ON COLUMN staging.webhook_events.dedupe_key IS
    'Same key, same event, however often it is sent; hidden by a key once the event is redacted';
COMMENT ON TABLE ops.erasure_key IS
    'The one record represents the key of the hashes by which ops.audit_log names what was erased, and the inbox what was redacted';
