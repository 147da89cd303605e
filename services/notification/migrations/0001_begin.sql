-- Recipients with their contact policy, who holds which duty, and every message with what became of it.

CREATE TABLE recipients (
    recipient_id   uuid PRIMARY KEY,
    version        bigint NOT NULL,
    kind           text NOT NULL,
    channels       jsonb NOT NULL,
    address        text,
    language       text NOT NULL,
    do_not_contact boolean NOT NULL,
    review_on      date,
    set_by         text NOT NULL,
    set_at         timestamptz NOT NULL,
    erased_at      timestamptz,
    phone          text,
    post           jsonb,
    terms          jsonb,
    CONSTRAINT recipient_kind_is_known CHECK (kind IN ('practitioner', 'safeguarding_lead', 'team_lead', 'caregiver')),
    CONSTRAINT erased_recipient_has_no_address
        CHECK (erased_at IS NULL OR (address IS NULL AND phone IS NULL AND post IS NULL))
) WITH (fillfactor = 90);

CREATE TABLE duties (
    duty_key     text PRIMARY KEY,
    version      bigint NOT NULL,
    duty         text NOT NULL,
    team_id      uuid,
    recipient_id uuid NOT NULL,
    set_by       text NOT NULL,
    set_at       timestamptz NOT NULL,
    CONSTRAINT duty_key_says_duty_and_team CHECK (duty_key = duty || ':' || coalesce(team_id::text, 'default')),
    CONSTRAINT duty_is_held_by_a_known_recipient FOREIGN KEY (recipient_id) REFERENCES recipients (recipient_id)
) WITH (fillfactor = 90);

CREATE TABLE messages (
    message_id     uuid PRIMARY KEY,
    version        bigint NOT NULL,
    kind           text NOT NULL,
    about_id       uuid NOT NULL,
    child_id       uuid,
    recipient_kind text NOT NULL,
    recipient_id   uuid,
    duty           text,
    team_id        uuid,
    status         text NOT NULL,
    correlation_id uuid NOT NULL,
    recorded_at    timestamptz NOT NULL,
    give_up_at     timestamptz NOT NULL,
    next_due_at    timestamptz,
    attempt        bigint NOT NULL,
    channel        text,
    lease_until    timestamptz,
    reason         text,
    settled_at     timestamptz,
    history        jsonb NOT NULL,
    CONSTRAINT message_status_is_known
        CHECK (status IN ('pending', 'sending', 'sent', 'failed', 'suppressed', 'doubtful')),
    CONSTRAINT open_message_is_due_some_time CHECK ((status IN ('pending', 'sending')) = (next_due_at IS NOT NULL)),
    CONSTRAINT message_being_sent_has_a_lease CHECK ((status = 'sending') = (lease_until IS NOT NULL)),
    CONSTRAINT message_is_for_a_person_or_a_duty CHECK (recipient_id IS NOT NULL OR duty IS NOT NULL),
    CONSTRAINT message_that_was_not_sent_says_why
        CHECK (status NOT IN ('failed', 'suppressed', 'doubtful') OR reason IS NOT NULL)
) WITH (fillfactor = 90);

CREATE INDEX messages_due ON messages (next_due_at) WHERE next_due_at IS NOT NULL;
CREATE INDEX messages_about ON messages (about_id);
CREATE INDEX messages_of_child ON messages (child_id) WHERE child_id IS NOT NULL;
-- Only what a person has to look at: most messages are never in it. Open ones are found by `messages_due`.
CREATE INDEX messages_to_look_at ON messages (status, message_id) WHERE status IN ('failed', 'suppressed', 'doubtful');

-- All children of one pregnancy, who cares for them and who visits them; where the booklet for them stands.
CREATE TABLE families (
    pregnancy_id      uuid PRIMARY KEY,
    version           bigint NOT NULL,
    correlation_id    uuid NOT NULL,
    known_at          timestamptz NOT NULL,
    registered        boolean NOT NULL,
    team_id           uuid,
    is_away           boolean NOT NULL,
    health_visitor_id uuid,
    caregivers        jsonb NOT NULL,
    contact_set_by    text,
    children          jsonb NOT NULL,
    booklet           text NOT NULL,
    booklet_due_by    timestamptz,
    booklet_sent_at   timestamptz,
    given_at          timestamptz,
    given_by          uuid,
    given_how         text,
    given_language    text,
    next_due_at       timestamptz,
    CONSTRAINT booklet_state_is_known CHECK (booklet IN ('due', 'given', 'missed', 'stopped')),
    CONSTRAINT booklet_that_was_given_says_how CHECK ((booklet = 'given') = (given_at IS NOT NULL)),
    CONSTRAINT only_a_booklet_that_is_due_has_a_clock CHECK (next_due_at IS NULL OR booklet = 'due')
) WITH (fillfactor = 90);
CREATE INDEX families_due ON families (next_due_at) WHERE next_due_at IS NOT NULL;
CREATE INDEX families_of_caregiver ON families USING gin (caregivers);
CREATE INDEX families_of_child ON families USING gin (children jsonb_path_ops);

CREATE TABLE safety_flags (
    flag_id   uuid PRIMARY KEY,
    version   bigint NOT NULL,
    child_id  uuid NOT NULL,
    raised_at timestamptz NOT NULL,
    because   text NOT NULL
);
CREATE INDEX safety_flags_of_child ON safety_flags (child_id, raised_at);

-- Records that ended because another one is of the same child.
CREATE TABLE merged_records (
    child_id      uuid PRIMARY KEY,
    version       bigint NOT NULL,
    into_child_id uuid NOT NULL
);
CREATE INDEX merged_records_into ON merged_records (into_child_id);

-- What a channel reported about letters that nobody here knows.
CREATE TABLE unmatched_receipts (
    receipt_id  uuid PRIMARY KEY,
    version     bigint NOT NULL,
    status      text NOT NULL,
    received_at timestamptz NOT NULL
);

-- Whoever each message goes to now, what their policy says now, and what happened in the family since it was set. The
-- address stays behind: only whoever sends reads it. The family is looked at for messages to caregivers only, and with it
-- every other family that the same person cares for: who lost another child, or is at risk there, is the same person.
CREATE VIEW policy_at_sending AS
SELECT m.message_id, r.version, r.recipient_id, r.kind, r.channels, r.address IS NOT NULL AS has_address,
       r.do_not_contact, r.review_on, r.erased_at IS NOT NULL AS erased, r.phone IS NOT NULL AS has_phone,
       r.post IS NOT NULL AS has_post, r.terms,
       CASE WHEN m.recipient_kind = 'caregiver' THEN (
        SELECT jsonb_build_object(
            'is_caregiver', f.caregivers ? r.recipient_id::text,
            'ended', (SELECT c ->> 'ended' FROM jsonb_array_elements(f.children) AS c
                      WHERE (c ->> 'child_id')::uuid = m.child_id OR m.child_id IS NULL
                      ORDER BY (c ->> 'ended') IS NOT NULL LIMIT 1),
            'loss', EXISTS (SELECT FROM families g, jsonb_array_elements(g.children) AS c
                            WHERE g.caregivers ? r.recipient_id::text
                            AND (g.pregnancy_id = f.pregnancy_id OR c ->> 'ended' <> 'records_merged')
                            AND (c ->> 'ended_at')::timestamptz >= r.set_at)
                    OR EXISTS (SELECT FROM unnest(records.ids) AS child_id, families g, jsonb_array_elements(g.children) AS c
                               WHERE g.children @> jsonb_build_array(jsonb_build_object('child_id', child_id))
                               AND c ->> 'child_id' = child_id::text AND c ->> 'ended' <> 'records_merged'
                               AND (c ->> 'ended_at')::timestamptz >= r.set_at),
            'flagged', EXISTS (SELECT FROM safety_flags s WHERE s.child_id = ANY (records.ids) AND s.raised_at >= r.set_at),
            'unread', EXISTS (SELECT FROM parked p WHERE p.state IN ('failed', 'queued', 'retry')
                              AND p.key = ANY (records.ids::text[])),
            'team_id', f.team_id,
            'health_visitor_id', f.health_visitor_id)
        FROM families f, LATERAL (
            -- Every record of every child that this person cares for, whichever of them was merged into which.
            WITH RECURSIVE same (child_id) AS (
                SELECT (c ->> 'child_id')::uuid FROM families g, jsonb_array_elements(g.children) AS c
                WHERE g.caregivers ? r.recipient_id::text OR g.pregnancy_id = f.pregnancy_id
                UNION SELECT CASE WHEN e.child_id = same.child_id THEN e.into_child_id ELSE e.child_id END
                FROM same JOIN merged_records e ON e.child_id = same.child_id OR e.into_child_id = same.child_id)
            SELECT coalesce(array_agg(child_id), '{}') AS ids FROM same) AS records
        WHERE f.pregnancy_id = m.about_id
       ) END AS family
FROM messages m
LEFT JOIN duties own ON own.duty_key = m.duty || ':' || m.team_id::text
LEFT JOIN duties general ON general.duty_key = m.duty || ':default'
JOIN recipients r
    ON r.recipient_id = CASE WHEN m.duty IS NULL THEN m.recipient_id ELSE coalesce(own.recipient_id, general.recipient_id) END;
