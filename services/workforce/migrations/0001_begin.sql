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
    norm            jsonb,
    CONSTRAINT who_left_has_a_reason CHECK ((left_at IS NULL) = (leaving_reason IS NULL)),
    CONSTRAINT nothing_is_due_after_leaving CHECK (left_at IS NULL OR next_due_at IS NULL)
) WITH (fillfactor = 90);
CREATE INDEX practitioners_by_team ON practitioners (team_id, practitioner_id);
CREATE INDEX practitioners_due ON practitioners (next_due_at) WHERE next_due_at IS NOT NULL;

-- Courses and norms are data: a version never changes.
CREATE TABLE courses (
    version         bigint      NOT NULL,
    reference       text        PRIMARY KEY,
    sessions        bigint      NOT NULL,
    attend_at_least bigint      NOT NULL,
    cohort_size     bigint      NOT NULL CONSTRAINT cohort_has_ten_at_most CHECK (cohort_size BETWEEN 1 AND 10),
    competence      text,
    valid_days      bigint,
    defined_by      text        NOT NULL,
    defined_at      timestamptz NOT NULL,
    CONSTRAINT enough_is_not_more_than_all CHECK (attend_at_least BETWEEN 1 AND sessions),
    CONSTRAINT certificate_has_a_validity CHECK ((competence IS NULL) = (valid_days IS NULL))
);

CREATE TABLE cohorts (
    version         bigint      NOT NULL,
    cohort_id       uuid        PRIMARY KEY,
    course          text        NOT NULL,
    course_version  bigint      NOT NULL,
    sessions        bigint      NOT NULL,
    attend_at_least bigint      NOT NULL,
    places          bigint      NOT NULL,
    competence      text,
    valid_days      bigint,
    opened_by       text        NOT NULL,
    opened_at       timestamptz NOT NULL,
    members         jsonb       NOT NULL,
    CONSTRAINT cohort_is_not_overfull CHECK (jsonb_array_length(members) <= places)
) WITH (fillfactor = 90);

CREATE TABLE supervision_norms (
    version          bigint      NOT NULL,
    reference        text        PRIMARY KEY,
    every_days       bigint      NOT NULL,
    minutes_at_least bigint      NOT NULL,
    defined_by       text        NOT NULL,
    defined_at       timestamptz NOT NULL
);

-- That supervision took place, never what was said.
CREATE TABLE supervisions (
    version         bigint      NOT NULL,
    supervision_id  uuid        PRIMARY KEY,
    practitioner_id uuid        NOT NULL,
    supervisor_id   uuid        NOT NULL CONSTRAINT nobody_supervises_themselves CHECK (supervisor_id <> practitioner_id),
    kind            text        NOT NULL,
    minutes         bigint      NOT NULL,
    held_at         timestamptz NOT NULL,
    recorded_by     text        NOT NULL,
    recorded_at     timestamptz NOT NULL
);
CREATE INDEX supervisions_of_practitioner ON supervisions (practitioner_id, held_at DESC);
