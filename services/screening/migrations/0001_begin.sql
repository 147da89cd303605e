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
    CONSTRAINT a_birth_has_a_date CHECK ((born_on IS NULL) = (birth IS NULL)),
    CONSTRAINT a_birth_is_live_or_still CHECK (birth IN ('live', 'still')),
    CONSTRAINT only_a_child_born_alive_is_screened CHECK (last_outcome IS NULL OR birth = 'live'),
    CONSTRAINT a_result_has_an_instant CHECK ((last_outcome IS NULL) = (screened_at IS NULL))
) WITH (fillfactor = 80);
COMMENT ON COLUMN children.covered_at_days IS 'Age in days at the first completed screening inside the age window of its instrument.';
CREATE UNIQUE INDEX one_child_per_nhs_number ON children (nhs_number) WHERE nhs_number IS NOT NULL;
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
    CONSTRAINT a_screening_has_an_outcome_or_a_reason CHECK ((outcome IS NULL) <> (reason IS NULL)),
    CONSTRAINT every_outcome_is_explained CHECK ((outcome IS NULL) = (record IS NULL)),
    CONSTRAINT a_screening_is_recorded_once CHECK (version = 1)
);
COMMENT ON COLUMN screenings.answers IS 'Sensitive free text about the family: leaves this table only by an authorised, audited read.';
COMMENT ON COLUMN screenings.record IS 'Definitions with versions, inputs, certificate and conclusion: enough to work the outcome out again.';
CREATE INDEX screenings_by_child ON screenings (child_id, screened_at);
