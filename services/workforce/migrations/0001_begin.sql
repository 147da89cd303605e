-- Practitioners, known by ids alone: no name and no address is kept here.

CREATE TABLE practitioners (
    version         bigint      NOT NULL,
    practitioner_id uuid        PRIMARY KEY,
    team_id         uuid        NOT NULL,
    role            text        NOT NULL,
    capacity_points bigint      NOT NULL CONSTRAINT capacity_is_not_negative CHECK (capacity_points >= 0),
    languages       jsonb       NOT NULL,
    registered_at   timestamptz NOT NULL,
    competences     jsonb       NOT NULL,
    absences        jsonb       NOT NULL,
    left_at         timestamptz,
    leaving_reason  text,
    next_due_at     timestamptz,
    CONSTRAINT who_left_has_a_reason CHECK ((left_at IS NULL) = (leaving_reason IS NULL)),
    CONSTRAINT nothing_is_due_after_leaving CHECK (left_at IS NULL OR next_due_at IS NULL)
) WITH (fillfactor = 90);
CREATE INDEX practitioners_by_team ON practitioners (team_id, practitioner_id);
CREATE INDEX practitioners_due ON practitioners (next_due_at) WHERE next_due_at IS NOT NULL;
