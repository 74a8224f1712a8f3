-- Rules that change without a deploy, and what a reject needs to be mapped again. Creates
-- ops.sync_validation_rules; changes ops.sync_errors, ops.sync_jobs, staging.webhook_events.
-- Applied once, in one transaction; a process of the release before goes on working.

ALTER TABLE ops.sync_errors
    ADD COLUMN rule text,
    ADD COLUMN page text,
    ADD COLUMN observed_at timestamptz,
    ADD COLUMN tried_with text;
COMMENT ON COLUMN ops.sync_errors.rule IS
    'Validation rule that the record breaks, or built-in:<name>; NULL: of an older release';
COMMENT ON COLUMN ops.sync_errors.page IS
    'Place in the source''s list where the record stood; NULL: not from a list';
COMMENT ON COLUMN ops.sync_errors.observed_at IS
    'When the request was sent that brought record_data';
COMMENT ON COLUMN ops.sync_errors.tried_with IS
    'Digest of the mapping and rules that refused it last; another one may let it pass';

-- A record that is known to be gone is not mapped again, one that was rejected is.
ALTER TABLE staging.webhook_events ADD COLUMN is_gone boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN staging.webhook_events.is_gone IS
    'Whether the source, asked for the record when the event was merged, did not have it';

ALTER TABLE ops.sync_jobs
    DROP CONSTRAINT sync_jobs_job_type,
    ADD CONSTRAINT sync_jobs_job_type CHECK (
        job_type IN ('incremental', 'full', 'replay', 'webhook', 'reprocess')
    ) NOT VALID;
ALTER TABLE ops.sync_jobs VALIDATE CONSTRAINT sync_jobs_job_type;

CREATE TABLE ops.sync_validation_rules (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    source_system text NOT NULL,
    entity_type text NOT NULL,
    field text NOT NULL,
    rule_type text NOT NULL,
    config jsonb NOT NULL DEFAULT '{}',
    on_error text NOT NULL DEFAULT 'reject',
    is_active boolean NOT NULL DEFAULT true,
    description text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT sync_validation_rules_name CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
    CONSTRAINT sync_validation_rules_type CHECK (
        rule_type IN (
            'required',    -- there is a value
            'min_length',  -- the text has at least config.length characters
            'max_length',  -- the text has at most config.length characters
            'pattern',     -- the whole text matches config.pattern
            'one_of',      -- the text is one of config.values
            'not_one_of',  -- the text is none of config.values
            'range',       -- the number lies from config.min to config.max
            'not_before',  -- the instant is config.time or later
            'not_after'    -- the instant is config.time or earlier
        )
    ),
    CONSTRAINT sync_validation_rules_on_error CHECK (
        on_error IN (
            'reject',    -- the record is not loaded
            'set_null',  -- the record is loaded without the value, with a warning
            'keep'       -- the record is loaded as it is, with a warning
        )
    ),
    CONSTRAINT sync_validation_rules_object CHECK (jsonb_typeof(config) = 'object')
);
-- Finds the rules of a job.
CREATE INDEX sync_validation_rules_entity
    ON ops.sync_validation_rules (source_system, entity_type) WHERE is_active;
COMMENT ON TABLE ops.sync_validation_rules IS
    'Each record represents one thing that a column''s values must fulfil, beyond what the mapping demands; every job reads the rules of its entity when it begins';
COMMENT ON COLUMN ops.sync_validation_rules.field IS
    'Unified column; <table>.<column> for a row that the record makes in another table';
COMMENT ON COLUMN ops.sync_validation_rules.config IS
    'Arguments: {"length": 50}, {"pattern": "[0-9]{5}"}, {"values": ["a"]}, {"min": 0, "max": 9}, {"time": "now+2y"}; {} for required';

-- What is wrong with a rule, or NULL. Empty values pass every rule but required, so a
-- rule says what a value must be like, not that there must be one.
CREATE FUNCTION ops.find_rule_mistake(rule ops.sync_validation_rules) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    config jsonb := rule.config;
    allowed text[] := CASE rule.rule_type
        WHEN 'required' THEN '{}'
        WHEN 'pattern' THEN '{pattern}'
        WHEN 'range' THEN '{min,max}'
        WHEN 'min_length' THEN '{length}'
        WHEN 'max_length' THEN '{length}'
        WHEN 'one_of' THEN '{values}'
        WHEN 'not_one_of' THEN '{values}'
        ELSE '{time}'
    END;
    key text;
    alias text;
    columns text[];
BEGIN
    FOR key IN SELECT jsonb_object_keys(config) LOOP
        IF key <> ALL (allowed) THEN
            RETURN format('config has no key %L for %s', key, rule.rule_type);
        END IF;
    END LOOP;
    CASE rule.rule_type
    WHEN 'required' THEN
        IF rule.on_error = 'set_null' THEN
            RETURN 'on_error: a missing value cannot be set to NULL; reject or keep';
        END IF;
    WHEN 'min_length', 'max_length' THEN
        IF NOT coalesce(config ->> 'length' ~ '^[1-9][0-9]{0,6}$'
            AND jsonb_typeof(config -> 'length') = 'number', false)
        THEN
            RETURN 'config needs "length", a whole number from 1 on';
        END IF;
    WHEN 'pattern' THEN
        IF NOT coalesce(jsonb_typeof(config -> 'pattern') = 'string'
            AND length(config ->> 'pattern') BETWEEN 1 AND 200, false)
        THEN
            RETURN 'config needs "pattern", a regular expression of 1 to 200 characters';
        END IF;
        BEGIN
            PERFORM '' ~ (config ->> 'pattern');
        EXCEPTION WHEN invalid_regular_expression THEN
            RETURN 'config.pattern is no regular expression: ' || SQLERRM;
        END;
    WHEN 'one_of', 'not_one_of' THEN
        IF NOT coalesce(jsonb_typeof(config -> 'values') = 'array', false)
            OR config -> 'values' = '[]'
            OR jsonb_path_exists(config, 'strict $.values[*] ? (@.type() != "string")')
        THEN
            RETURN 'config needs "values", a list of texts';
        END IF;
    WHEN 'range' THEN
        IF config = '{}'
            OR jsonb_path_exists(config, 'strict $.* ? (@.type() != "number")')
            OR (config ->> 'min')::numeric > (config ->> 'max')::numeric
        THEN
            RETURN 'config needs "min", "max" or both, numbers, min not above max';
        END IF;
    ELSE
        IF NOT coalesce(jsonb_typeof(config -> 'time') = 'string'
            AND config ->> 'time' ~ ('^(now([+-][0-9]{1,5}[dy])?'
                || '|[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?'
                || '(Z|[+-][0-9]{2}:[0-9]{2})?)?)$'), false)
        THEN
            RETURN 'config needs "time", like "2020-01-31", "2020-01-31T12:00:00Z", '
                '"now", "now+30d" or "now-5y"';
        END IF;
        IF config ->> 'time' NOT LIKE 'now%' THEN
            BEGIN
                PERFORM (config ->> 'time')::timestamptz;
            EXCEPTION WHEN datetime_field_overflow OR invalid_datetime_format THEN
                RETURN 'config.time: there is no such day or hour';
            END;
        END IF;
    END CASE;
    -- What the entity's latest job did not know is a typing mistake. Before its first job
    -- nobody knows.
    SELECT format(
        '%L is an alias; write entity_type %L', rule.entity_type, s.entity_type
    ) INTO alias
    FROM ops.source_specs AS s
    WHERE s.source_system = rule.source_system AND s.entity_type <> rule.entity_type
        AND s.spec #> '{entity,aliases}' ? rule.entity_type;
    IF alias IS NOT NULL THEN
        RETURN alias;
    END IF;
    SELECT array_agg(field) INTO columns FROM (
        SELECT line ->> 'target' AS name
        FROM ops.source_specs AS s,
            jsonb_array_elements(s.spec #> '{entity,fields}') AS line
        WHERE s.source_system = rule.source_system AND s.entity_type = rule.entity_type
        UNION ALL
        SELECT also.key || '.' || (line ->> 'target')
        FROM ops.source_specs AS s,
            jsonb_each(s.spec #> '{entity,also}') AS also,
            jsonb_array_elements(also.value) AS line
        WHERE s.source_system = rule.source_system AND s.entity_type = rule.entity_type
    ) AS mapped
    -- The normalized columns belong to e-mail and phone.
    CROSS JOIN LATERAL unnest(ARRAY[
        name,
        CASE
            WHEN name ~ '(^|\.)email$' THEN name || '_normalized'
            WHEN name ~ '(^|\.)phone$' THEN name || '_e164'
        END
    ]) AS field
    WHERE field IS NOT NULL;
    IF rule.field <> ALL (columns) THEN
        RETURN format(
            'field %L is not mapped; %s %s has %s', rule.field, rule.source_system,
            rule.entity_type, array_to_string(columns, ', ')
        );
    END IF;
    RETURN NULL;
END $$;

-- What the table's CHECKs refuse, in words that say what is allowed; NULL: nothing.
CREATE FUNCTION ops.find_rule_misspelling(rule ops.sync_validation_rules) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    types text[] := ARRAY[
        'required', 'min_length', 'max_length', 'pattern', 'one_of', 'not_one_of',
        'range', 'not_before', 'not_after'
    ];
    actions text[] := ARRAY['reject', 'set_null', 'keep'];
BEGIN
    RETURN CASE
        WHEN rule.name !~ '^[a-z][a-z0-9_]{0,62}$' THEN
            'a name is 1 to 63 small letters, digits and _, a letter first, like state_code'
        WHEN rule.rule_type <> ALL (types) THEN
            format('there is no rule_type %L; there are %s', rule.rule_type,
                array_to_string(types, ', '))
        WHEN rule.on_error <> ALL (actions) THEN
            format('there is no on_error %L; there are %s', rule.on_error,
                array_to_string(actions, ', '))
        WHEN jsonb_typeof(rule.config) <> 'object' THEN
            'config is a JSON object, like {"length": 50}'
    END;
END $$;

CREATE FUNCTION ops.check_validation_rule() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    mistake text := ops.find_rule_misspelling(NEW);
BEGIN
    NEW.updated_at := clock_timestamp();
    -- Switching off must always be possible.
    IF mistake IS NULL AND NEW.is_active AND NEW.rule_type IS NOT NULL THEN
        mistake := ops.find_rule_mistake(NEW);
    END IF;
    IF mistake IS NOT NULL THEN
        RAISE EXCEPTION 'rule %: %', NEW.name, mistake USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER sync_validation_rules_check
    BEFORE INSERT OR UPDATE ON ops.sync_validation_rules
    FOR EACH ROW EXECUTE FUNCTION ops.check_validation_rule();

-- A rule as the audit trail keeps it. Listed values may be of people, and what is audited
-- cannot be erased: of them only the number is told.
CREATE FUNCTION ops.describe_rule(rule jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_typeof(rule #> '{config,values}') = 'array'
        THEN jsonb_set(
            rule, '{config,values}', to_jsonb(jsonb_array_length(rule #> '{config,values}'))
        )
        ELSE rule #- '{config,values}'
    END
$$;

CREATE FUNCTION ops.audit_validation_rule() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - 'updated_at' END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - 'updated_at' END;
BEGIN
    IF before IS DISTINCT FROM after THEN
        INSERT INTO ops.audit_log (action, object_type, object_id, details)
        VALUES (
            'rule.' || lower(TG_OP), 'validation_rule',
            coalesce(after, before) ->> 'name',
            jsonb_strip_nulls(jsonb_build_object(
                'before', ops.describe_rule(before), 'after', ops.describe_rule(after)
            ))
        );
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER sync_validation_rules_audit
    AFTER INSERT OR UPDATE OR DELETE ON ops.sync_validation_rules
    FOR EACH ROW EXECUTE FUNCTION ops.audit_validation_rule();
