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
    CONSTRAINT recipient_kind_is_known CHECK (kind IN ('practitioner', 'safeguarding_lead', 'team_lead', 'caregiver')),
    CONSTRAINT erased_recipient_has_no_address CHECK (erased_at IS NULL OR address IS NULL)
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

-- Whoever each message goes to now, and what their policy says now. The address stays behind: only whoever sends reads it.
CREATE VIEW policy_at_sending AS
SELECT m.message_id, r.version, r.recipient_id, r.kind, r.channels, r.address IS NOT NULL AS has_address,
       r.do_not_contact, r.review_on, r.erased_at IS NOT NULL AS erased
FROM messages m
LEFT JOIN duties own ON own.duty_key = m.duty || ':' || m.team_id::text
LEFT JOIN duties general ON general.duty_key = m.duty || ':default'
JOIN recipients r
    ON r.recipient_id = CASE WHEN m.duty IS NULL THEN m.recipient_id ELSE coalesce(own.recipient_id, general.recipient_id) END;
