-- The birth cohort, the loaded definitions, and the screenings.

CREATE TABLE pregnancies (
    version           bigint      NOT NULL,
    pregnancy_id      uuid        PRIMARY KEY,
    team_id           uuid        NOT NULL,
    expected_on       date        NOT NULL,
    child_ids         jsonb       NOT NULL,
    mother_nhs_number text,
    registered_at     timestamptz NOT NULL,
    CONSTRAINT a_pregnancy_expects_one_to_four_children CHECK (jsonb_array_length(child_ids) BETWEEN 1 AND 4)
);

CREATE TABLE mothers (
    version           bigint NOT NULL,
    mother_nhs_number text   PRIMARY KEY,
    recorded          bigint NOT NULL
) WITH (fillfactor = 90);
COMMENT ON TABLE mothers IS 'The lock that puts what is recorded about the children of one mother in order.';

CREATE TABLE children (
    version              bigint      NOT NULL,
    child_id             uuid        PRIMARY KEY,
    pregnancy_id         uuid        NOT NULL,
    team_id              uuid        NOT NULL,
    expected_on          date,
    born_on              date,
    birth                text,
    children_born        bigint,
    nhs_number           text,
    mother_nhs_number    text,
    registered_at        timestamptz NOT NULL,
    last_screening_id    uuid,
    last_outcome         text,
    screened_at          timestamptz,
    follow_up_on         date,
    covered_at_days      bigint,
    not_completed_reason text,
    ended                text,
    ended_at             timestamptz,
    moved_at             timestamptz,
    arrived_too_late     boolean NOT NULL DEFAULT false,
    merged_into          uuid,
    window_state         text,
    window_of            text,
    opens_day            bigint,
    due_day              bigint,
    closes_day           bigint,
    offer_again_at       timestamptz,
    follow_up_at         timestamptz,
    next_due_at          timestamptz,
    CONSTRAINT one_child_per_nhs_number UNIQUE (nhs_number) DEFERRABLE INITIALLY IMMEDIATE,
    CONSTRAINT a_record_ends_in_a_known_way
        CHECK (ended IN ('loss', 'termination', 'died', 'moved_out', 'adopted', 'merged')),
    CONSTRAINT an_end_has_an_instant CHECK ((ended IS NULL) = (ended_at IS NULL)),
    CONSTRAINT who_is_merged_is_merged_into_somebody CHECK ((ended = 'merged') IS TRUE = (merged_into IS NOT NULL)),
    CONSTRAINT only_a_child_born_alive_has_a_window CHECK (window_state IS NULL OR birth = 'live'),
    CONSTRAINT no_clock_runs_for_who_is_gone CHECK (ended IS NULL OR next_due_at IS NULL),
    CONSTRAINT a_birth_has_a_date CHECK ((born_on IS NULL) = (birth IS NULL)),
    CONSTRAINT a_birth_is_live_or_still CHECK (birth IN ('live', 'still')),
    CONSTRAINT only_a_child_born_alive_is_screened CHECK (last_outcome IS NULL OR birth = 'live'),
    CONSTRAINT a_result_has_an_instant CHECK ((last_outcome IS NULL) = (screened_at IS NULL))
) WITH (fillfactor = 80);
COMMENT ON COLUMN children.covered_at_days IS 'Age in days at the first completed screening inside the screening window.';
COMMENT ON CONSTRAINT one_child_per_nhs_number ON children IS 'Looked at when the statement ends, so that a number can pass from a record to the one it is merged into.';
CREATE INDEX children_due ON children (next_due_at) WHERE next_due_at IS NOT NULL;
CREATE INDEX children_by_pregnancy ON children (pregnancy_id);
CREATE INDEX children_by_mother ON children (mother_nhs_number) WHERE mother_nhs_number IS NOT NULL;
CREATE INDEX children_by_team ON children (team_id, born_on);

CREATE TABLE certificates (
    version         bigint NOT NULL,
    practitioner_id uuid   PRIMARY KEY,
    periods         jsonb  NOT NULL,
    suspensions     jsonb  NOT NULL
) WITH (fillfactor = 90);

CREATE TABLE instruments (
    version    bigint      NOT NULL,
    reference  text        PRIMARY KEY,
    definition jsonb       NOT NULL,
    loaded_at  timestamptz NOT NULL,
    loaded_by  text        NOT NULL,
    CONSTRAINT a_loaded_instrument_never_changes CHECK (version = 1)
);

CREATE TABLE pathways (
    version    bigint      NOT NULL,
    reference  text        PRIMARY KEY,
    definition jsonb       NOT NULL,
    loaded_at  timestamptz NOT NULL,
    loaded_by  text        NOT NULL,
    CONSTRAINT a_loaded_pathway_never_changes CHECK (version = 1)
);

CREATE TABLE current_pathways (
    version         bigint NOT NULL,
    instrument      text   PRIMARY KEY,
    pathway         text   NOT NULL,
    pathway_version bigint NOT NULL,
    definition      jsonb  NOT NULL
);
COMMENT ON TABLE current_pathways IS 'The pathway in force for each instrument.';

CREATE TABLE cohort_windows (
    version    bigint NOT NULL,
    cohort     text   PRIMARY KEY,
    instrument text   NOT NULL,
    reference  text   NOT NULL,
    days       jsonb  NOT NULL
);
COMMENT ON TABLE cohort_windows IS 'The screening window in force for children born now.';

CREATE TABLE screenings (
    version            bigint      NOT NULL,
    screening_id       uuid        PRIMARY KEY,
    child_id           uuid        NOT NULL,
    instrument         text        NOT NULL,
    instrument_version bigint      NOT NULL,
    administered_by    uuid        NOT NULL,
    screened_at        timestamptz NOT NULL,
    recorded_at        timestamptz NOT NULL,
    recorded_by        text        NOT NULL,
    outcome            text,
    reason             text,
    answers            jsonb,
    record             jsonb,
    consultation_due_at timestamptz,
    CONSTRAINT a_screening_has_an_outcome_or_a_reason CHECK ((outcome IS NULL) <> (reason IS NULL)),
    CONSTRAINT every_outcome_is_explained CHECK ((outcome IS NULL) = (record IS NULL)),
    CONSTRAINT only_a_result_can_ask_for_a_consultation CHECK (consultation_due_at IS NULL OR outcome IS NOT NULL)
);
COMMENT ON COLUMN screenings.answers IS 'Sensitive free text about the family: leaves this table only by an authorised, audited read.';
COMMENT ON COLUMN screenings.record IS 'Definitions with versions, inputs, certificate and conclusion: enough to work the outcome out again.';
CREATE INDEX screenings_by_child ON screenings (child_id, screened_at);
CREATE INDEX screenings_due ON screenings (consultation_due_at) WHERE consultation_due_at IS NOT NULL;

CREATE TABLE consultations_asked (
    version         bigint      NOT NULL,
    screening_id    uuid        PRIMARY KEY,
    consultation_id uuid        NOT NULL,
    requested_at    timestamptz NOT NULL
);
COMMENT ON TABLE consultations_asked IS 'Screenings about which the specialists were asked, as the referral service tells it.';

CREATE TABLE second_ratings (
    version        bigint      NOT NULL,
    screening_id   uuid        PRIMARY KEY,
    team_id        uuid        NOT NULL,
    first_rater_id uuid        NOT NULL,
    competence     text        NOT NULL,
    share_percent  bigint      NOT NULL,
    seed           text        NOT NULL,
    requested_at   timestamptz NOT NULL,
    rater_id       uuid,
    rated_at       timestamptz,
    observed       jsonb,
    outcome        text,
    agreement      text,
    items          bigint,
    items_agreed   bigint,
    recorded_by    text,
    CONSTRAINT the_second_rater_is_another_person CHECK (rater_id <> first_rater_id),
    CONSTRAINT a_rating_is_whole CHECK (num_nulls(rater_id, rated_at, observed, outcome, agreement, items, items_agreed, recorded_by) IN (0, 8))
);
CREATE INDEX second_ratings_open ON second_ratings (team_id, requested_at) WHERE rater_id IS NULL;
