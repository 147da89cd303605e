-- What every service keeps beside its own tables: inputs done, events told, events to tell, inputs that wait for a person.

CREATE TABLE inbox (
    id          uuid PRIMARY KEY,
    handled_at  timestamptz NOT NULL DEFAULT now(),
    fingerprint bytea,
    status      smallint,
    reply       bytea,
    CONSTRAINT a_reply_belongs_to_a_command CHECK ((fingerprint IS NULL) = (status IS NULL))
);
COMMENT ON TABLE inbox IS 'One row for each input that took effect; a command also keeps its fingerprint and its reply.';

CREATE TABLE streams (
    key  uuid PRIMARY KEY,
    last bigint NOT NULL CONSTRAINT sequences_begin_at_one CHECK (last >= 1)
) WITH (fillfactor = 80);
COMMENT ON TABLE streams IS 'Last sequence number told for each record key; its row lock puts the events of a key in order.';

CREATE TABLE journal (
    recorded_at    timestamptz NOT NULL,
    event_id       uuid        NOT NULL,
    key            uuid        NOT NULL,
    sequence       bigint      NOT NULL,
    type           text        NOT NULL,
    correlation_id uuid        NOT NULL,
    causation_id   uuid        NOT NULL,
    traceparent    text,
    data           bytea       NOT NULL
) PARTITION BY RANGE (recorded_at);
COMMENT ON TABLE journal IS 'Every event ever told, append only; partitions are dropped, rows are never deleted.';
CREATE INDEX journal_by_key ON journal (key, sequence);

CREATE TABLE journal_rest PARTITION OF journal DEFAULT;

CREATE VIEW journal_months AS
SELECT c.relname::text AS name, to_date(right(c.relname, 7), 'YYYY_MM')::timestamp AT TIME ZONE 'UTC' AS begins,
       (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') AT TIME ZONE 'UTC' AS ends
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'journal'::regclass AND c.relname ~ '^journal_[0-9]{4}_[0-9]{2}$';
COMMENT ON VIEW journal_months IS 'The monthly partitions of the journal, each with the instants between which its events were recorded.';

CREATE FUNCTION journal_partitions(since timestamptz, months int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    month timestamptz;
    name text;
BEGIN
    PERFORM pg_advisory_xact_lock(7201003);
    FOR month IN
        SELECT date_trunc('month', since) + make_interval(months => i) FROM generate_series(0, months) AS i
        UNION SELECT date_trunc('month', recorded_at) FROM journal_rest
    LOOP
        name := 'journal_' || to_char(month, 'YYYY_MM');
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        -- Events that came before their month was made wait in journal_rest: they move with it.
        LOCK TABLE journal_rest IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('CREATE TABLE %I (LIKE journal INCLUDING ALL)', name);
        EXECUTE format('WITH moved AS (DELETE FROM journal_rest WHERE recorded_at >= %L AND recorded_at < %L RETURNING *)
                        INSERT INTO %I SELECT * FROM moved', month, month + interval '1 month', name);
        EXECUTE format('ALTER TABLE journal ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                       name, month, month + interval '1 month');
    END LOOP;
END $$;
COMMENT ON FUNCTION journal_partitions IS 'Makes the monthly partitions from one instant on; called at migration and by the running service.';

CREATE FUNCTION journal_drop(before timestamptz) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' SET lock_timeout = '300ms' AS $$
DECLARE
    month record;
    dropped text[] := '{}';
BEGIN
    FOR month IN SELECT * FROM journal_months WHERE ends <= least(before, now() - interval '30 days') ORDER BY ends LOOP
        -- What is not yet in Kafka, or is being sent there again, is still needed.
        EXIT WHEN EXISTS (SELECT FROM outbox WHERE recorded_at < month.ends);
        EXECUTE format('DROP TABLE %I', month.name);
        dropped := dropped || month.name;
    END LOOP;
    RETURN dropped;
END $$;
COMMENT ON FUNCTION journal_drop IS 'Drops the months that ended before an instant, oldest first; never the last 30 days, nor what waits to be published.';

SELECT journal_partitions(now(), 3);

CREATE TABLE kept (
    one_row       boolean PRIMARY KEY DEFAULT true CONSTRAINT there_is_one_row CHECK (one_row),
    inbox_since   timestamptz NOT NULL DEFAULT '2000-01-01 00:00Z',
    replies_since timestamptz NOT NULL DEFAULT '2000-01-01 00:00Z'
);
COMMENT ON TABLE kept IS 'From when on the inbox knows every event, and every command, that took effect; older rows may be gone.';
INSERT INTO kept DEFAULT VALUES;

CREATE TABLE refills (
    refill_id        uuid PRIMARY KEY,
    since            timestamptz NOT NULL,
    state            text NOT NULL DEFAULT 'open' CONSTRAINT refill_states CHECK (state IN ('open', 'done', 'cancelled')),
    sent             bigint NOT NULL DEFAULT 0,
    total            bigint NOT NULL DEFAULT 0,
    reached_at       timestamptz,
    reached_key      uuid,
    reached_sequence bigint,
    asked_by         text NOT NULL,
    asked_at         timestamptz NOT NULL DEFAULT now(),
    ended_at         timestamptz,
    CONSTRAINT ended_refill_says_when CHECK ((state = 'open') = (ended_at IS NULL))
);
CREATE UNIQUE INDEX one_refill_at_a_time ON refills (state) WHERE state = 'open';
COMMENT ON TABLE refills IS 'What a topic lost is sent again from the journal, before anything new, and how far that has come.';

CREATE TABLE replays (
    replay_id uuid NOT NULL,
    topic     text NOT NULL,
    partition int NOT NULL,
    starts    bigint NOT NULL,
    ends      bigint NOT NULL,
    reached   bigint NOT NULL,
    state     text NOT NULL DEFAULT 'open' CONSTRAINT replay_states CHECK (state IN ('open', 'done', 'cancelled')),
    asked_by  text NOT NULL,
    asked_at  timestamptz NOT NULL DEFAULT now(),
    ended_at  timestamptz,
    PRIMARY KEY (replay_id, topic, partition),
    CONSTRAINT replay_goes_back CHECK (starts < ends AND reached >= starts),
    CONSTRAINT ended_replay_says_when CHECK ((state = 'open') = (ended_at IS NULL))
);
CREATE UNIQUE INDEX one_replay_of_a_partition ON replays (topic, partition) WHERE state = 'open';
COMMENT ON TABLE replays IS 'Partitions that this service reads again, from where to where, and how far that has come.';

CREATE TABLE recoveries (
    recovery_id uuid PRIMARY KEY,
    taken_at    timestamptz NOT NULL,
    lost_at     timestamptz NOT NULL,
    state       text NOT NULL DEFAULT 'open' CONSTRAINT recovery_states CHECK (state IN ('open', 'done')),
    recalled    bigint NOT NULL DEFAULT 0,
    relived     bigint NOT NULL DEFAULT 0,
    total       bigint NOT NULL DEFAULT 0,
    apart       bigint NOT NULL DEFAULT 0,
    asked_by    text NOT NULL,
    asked_at    timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    CONSTRAINT ended_recovery_says_when CHECK ((state = 'open') = (ended_at IS NULL))
);
COMMENT ON TABLE recoveries IS 'This database was set back to a backup: what was told since is recalled, what came in since is lived through again.';

CREATE TABLE recalled (
    event_id     uuid PRIMARY KEY,
    key          uuid NOT NULL,
    type         text NOT NULL,
    recorded_at  timestamptz NOT NULL,
    causation_id uuid NOT NULL,
    data         bytea NOT NULL
);
COMMENT ON TABLE recalled IS 'Told after the backup and not come to again: others know it, the tables here do not.';

CREATE TABLE outbox (
    position       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at    timestamptz NOT NULL,
    event_id       uuid        NOT NULL,
    key            uuid        NOT NULL,
    sequence       bigint      NOT NULL,
    type           text        NOT NULL,
    correlation_id uuid        NOT NULL,
    causation_id   uuid        NOT NULL,
    traceparent    text,
    data           bytea       NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE outbox IS 'Events not yet in Kafka; inserted with the change they tell, deleted when the broker has them, never updated.';

CREATE TABLE parked (
    id          uuid PRIMARY KEY,
    ordinal     bigint GENERATED ALWAYS AS IDENTITY,
    key         text,
    intake      text NOT NULL,
    state       text NOT NULL CONSTRAINT parked_states CHECK (state IN ('failed', 'queued', 'retry', 'done', 'discarded')),
    reason      text NOT NULL,
    detail      text NOT NULL DEFAULT '',
    attempts    int  NOT NULL DEFAULT 1,
    type        text,
    topic       text,
    partition   int,
    "offset"    bigint,
    record_key  bytea,
    record_value bytea,
    record_headers jsonb,
    parked_at   timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    resolved_by text,
    CONSTRAINT resolved_by_somebody CHECK ((state IN ('done', 'discarded')) = (resolved_at IS NOT NULL))
);
COMMENT ON TABLE parked IS 'Inputs that could not be handled, raw; later inputs of the same key queue behind the first.';
CREATE INDEX parked_open ON parked (key, ordinal) WHERE state IN ('failed', 'queued', 'retry');
CREATE INDEX parked_waiting ON parked (key, ordinal) WHERE state IN ('queued', 'retry');
CREATE INDEX parked_in_order ON parked (ordinal) WHERE state IN ('failed', 'queued', 'retry');

CREATE TABLE moved_time (
    only_one boolean     PRIMARY KEY DEFAULT true CONSTRAINT there_is_one_time CHECK (only_one),
    ahead    interval    NOT NULL CONSTRAINT time_only_moves_forward CHECK (ahead > interval '0'),
    moved_at timestamptz NOT NULL DEFAULT now(),
    moved_by text        NOT NULL
);
COMMENT ON TABLE moved_time IS 'How far the time of this service was set ahead of the machine''s. Empty in production, for ever.';

CREATE TABLE audits (
    at      timestamptz NOT NULL DEFAULT now(),
    subject text        NOT NULL,
    action  text        NOT NULL,
    about   text        NOT NULL
);
COMMENT ON TABLE audits IS 'Who read whose personal record, and which operator did what to a parked input.';
CREATE INDEX audits_about ON audits (about, at);
