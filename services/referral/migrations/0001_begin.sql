-- Consultations are requests and cases in one row; pools are the practitioners who share one waiting list.

CREATE TABLE consultations (
    consultation_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    child_id uuid,
    family_id uuid,
    screening_id uuid,
    team_id uuid NOT NULL,
    kind text NOT NULL,
    band bigint NOT NULL,
    points bigint NOT NULL,
    language text NOT NULL,
    requested_by uuid NOT NULL,
    requested_at timestamptz NOT NULL,
    consent text,
    consent_reason text,
    question text,
    status text NOT NULL,
    unsettled boolean NOT NULL,
    correlation_id uuid NOT NULL,
    waiting_since timestamptz,
    assigned_to uuid,
    assigned_at timestamptz,
    because text,
    candidates bigint,
    rule text,
    not_to uuid,
    acknowledged_by uuid,
    acknowledged_at timestamptz,
    end_reason text,
    ended_by uuid,
    ended_at timestamptz,
    place timestamptz,
    accept_by timestamptz,
    terms jsonb,

    CONSTRAINT one_consultation_per_screening UNIQUE (screening_id),
    CONSTRAINT accepted_case_is_assigned_or_waiting CHECK (
        CASE WHEN status = 'accepted' THEN (assigned_to IS NULL) <> (waiting_since IS NULL) ELSE waiting_since IS NULL END
    ),
    CONSTRAINT assigned_case_has_an_instant CHECK ((assigned_to IS NULL) = (assigned_at IS NULL)),
    CONSTRAINT waiting_case_keeps_the_time_of_its_request CHECK (waiting_since = requested_at),
    CONSTRAINT place_is_for_who_wants_points CHECK (
        CASE WHEN place IS NULL THEN waiting_since IS NULL
             ELSE waiting_since IS NOT NULL OR (assigned_to IS NOT NULL AND terms ->> 'points_wanted' IS NOT NULL) END
    ),
    CONSTRAINT pool_is_told_of_new_places_and_ends CHECK (
        NOT unsettled OR status <> 'accepted' OR place IS NOT NULL OR terms ->> 'leaves' IS NOT NULL
    ),
    CONSTRAINT offer_is_to_somebody CHECK (accept_by IS NULL OR assigned_to IS NOT NULL),
    CONSTRAINT ended_case_says_when CHECK (
        (status IN ('requested', 'accepted')) = (ended_at IS NULL) AND (ended_by IS NULL OR ended_at IS NOT NULL)
    ),
    CONSTRAINT closed_case_has_a_reason CHECK ((status = 'closed') = (end_reason IS NOT NULL)),
    CONSTRAINT case_consultation_names_a_child CHECK (kind <> 'case_consultation' OR child_id IS NOT NULL),
    CONSTRAINT consent_is_about_a_child CHECK (consent IS NULL OR child_id IS NOT NULL),
    CONSTRAINT missing_consent_has_a_reason CHECK (
        consent IS NULL OR consent NOT IN ('not_sought', 'overridden') OR consent_reason IS NOT NULL
    ),
    CONSTRAINT request_has_no_place_before_triage CHECK (status <> 'requested' OR (assigned_to IS NULL AND NOT unsettled)),
    CONSTRAINT status_is_known CHECK (status IN ('requested', 'accepted', 'declined', 'closed', 'withdrawn')),
    CONSTRAINT band_is_urgent_or_routine CHECK (band IN (0, 1)),
    CONSTRAINT points_weigh_something CHECK (points > 0)
) WITH (fillfactor = 90);

CREATE INDEX consultations_of_child ON consultations (child_id) WHERE child_id IS NOT NULL;

-- What concerns the pool: `unsettled` rows to be looked at, the others in the order of the waiting list. Every case
-- passes through it once, so it stays small.
CREATE INDEX places_in_order ON consultations (unsettled, team_id, place)
    WHERE unsettled OR place IS NOT NULL;

-- Assigned cases: of a family for siblings, of a practitioner for hand-over. The conditions differ in words only, so that
-- a plan made while the table is empty can take the right one alone.
CREATE INDEX open_cases_of_family ON consultations (family_id)
    WHERE status = 'accepted' AND waiting_since IS NULL AND family_id IS NOT NULL;
CREATE INDEX open_cases_of_practitioner ON consultations (assigned_to)
    WHERE status = 'accepted' AND assigned_to IS NOT NULL;

-- What a team's ended cases gave back, for the forecast of a wait.
CREATE INDEX consultations_ended ON consultations (team_id, ended_at) WHERE ended_at IS NOT NULL;

-- Open offers as their clock sees them.
CREATE INDEX consultations_offered ON consultations (accept_by) WHERE accept_by IS NOT NULL;
CREATE VIEW offers AS SELECT consultation_id, version, accept_by FROM consultations WHERE accept_by IS NOT NULL;

-- Who did not take what was offered: for the figures of a team.
CREATE TABLE refusals (
    refusal_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    consultation_id uuid NOT NULL,
    team_id uuid NOT NULL,
    practitioner_id uuid NOT NULL,
    kind text NOT NULL,
    reason text,
    refused_at timestamptz NOT NULL
);

CREATE INDEX refusals_of_team ON refusals (team_id, refused_at);

CREATE TABLE pools (
    team_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    members jsonb NOT NULL,
    free_points bigint NOT NULL,
    hands_over boolean NOT NULL,
    next_due_at timestamptz,
    policy jsonb,

    CONSTRAINT used_points_are_not_negative CHECK (NOT jsonb_path_exists(members, '$[*] ? (@.used_points < 0)')),
    -- Only somebody whose capacity was reduced, and who therefore hands over, may stand above it.
    CONSTRAINT capacity_is_never_exceeded CHECK (
        NOT jsonb_path_exists(members, '$[*] ? (@.used_points > @.capacity_points && @.must_hand_over == null)')
    ),
    CONSTRAINT free_points_are_not_negative CHECK (free_points >= 0)
) WITH (fillfactor = 70);

-- Every version of a team's policy, for whoever recomputes what was decided by it.
CREATE TABLE policies (
    policy_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    team_id uuid NOT NULL,
    policy jsonb NOT NULL,
    set_by uuid NOT NULL,
    set_at timestamptz NOT NULL
);

CREATE INDEX pools_due ON pools (next_due_at) WHERE next_due_at IS NOT NULL;

-- Direct work: one row for each case, the sessions and measures beside it, and what it is made of.
CREATE TABLE direct_works (
    consultation_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    child_id uuid NOT NULL,
    number bigint NOT NULL,
    intervention text NOT NULL,
    intervention_version bigint NOT NULL,
    planned_sessions bigint NOT NULL,
    points bigint NOT NULL,
    points_before bigint NOT NULL,
    status text NOT NULL,
    review_after_missed bigint NOT NULL,
    measures jsonb NOT NULL,
    goals jsonb NOT NULL,
    plan text,
    planned_by uuid NOT NULL,
    planned_at timestamptz NOT NULL,
    correlation_id uuid NOT NULL,
    started_at timestamptz,
    sessions bigint NOT NULL,
    attended bigint NOT NULL,
    missed_in_a_row bigint NOT NULL,
    first_contact_at timestamptz,
    taken jsonb NOT NULL,
    end_reason text,
    ended_by uuid,
    ended_at timestamptz,
    onward_plan text,
    earlier jsonb NOT NULL,

    CONSTRAINT work_status_is_known CHECK (status IN ('waits', 'under_way', 'ended')),
    CONSTRAINT work_under_way_has_begun CHECK (status <> 'under_way' OR started_at IS NOT NULL),
    CONSTRAINT ended_work_says_why CHECK (
        (status = 'ended') = (end_reason IS NOT NULL) AND (status = 'ended') = (ended_at IS NOT NULL)
    ),
    CONSTRAINT sessions_before_the_beginning_are_none CHECK (sessions = 0 OR started_at IS NOT NULL)
);

CREATE INDEX direct_works_open ON direct_works (consultation_id) WHERE status <> 'ended';

CREATE TABLE sessions (
    session_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    consultation_id uuid NOT NULL,
    work bigint NOT NULL,
    number bigint NOT NULL,
    attendance text NOT NULL,
    session_at timestamptz NOT NULL,
    setting text NOT NULL,
    note text,
    practitioner_id uuid NOT NULL,
    recorded_by uuid NOT NULL,
    recorded_at timestamptz NOT NULL,

    CONSTRAINT sessions_are_numbered UNIQUE (consultation_id, work, number)
);

CREATE TABLE measurements (
    measurement_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    consultation_id uuid NOT NULL,
    work bigint NOT NULL,
    measure text NOT NULL,
    point text NOT NULL,
    total bigint NOT NULL,
    answers jsonb NOT NULL,
    measured_at timestamptz NOT NULL,
    recorded_by uuid NOT NULL,
    recorded_at timestamptz NOT NULL,

    CONSTRAINT measures_are_taken_once_at_each_point UNIQUE (consultation_id, work, measure, point)
);

CREATE TABLE interventions (
    reference text PRIMARY KEY,
    version bigint NOT NULL,
    definition jsonb NOT NULL,
    loaded_at timestamptz NOT NULL,
    loaded_by text NOT NULL
);

CREATE TABLE measures (
    reference text PRIMARY KEY,
    version bigint NOT NULL,
    definition jsonb NOT NULL,
    loaded_at timestamptz NOT NULL,
    loaded_by text NOT NULL
);

-- The catalogue that every service begins with (points and numbers of sessions are ours); further versions are loaded.
-- Words of items stand here only where they are our own; of measures by others only the range of the total is known.

INSERT INTO interventions (reference, version, definition, loaded_at, loaded_by)
SELECT name || '/1', 1, jsonb_build_object('name', title, 'owner', owner, 'points', points, 'planned_sessions', planned,
    'review_after_missed', 2, 'measures', '["goal_progress/1", "attune_closeness/1"]'::jsonb), now(), 'attune'
FROM (VALUES
    ('video_interaction_guidance', 'Video interaction guidance', 'AVIGuk', 3, 6),
    ('watch_wait_and_wonder', 'Watch, wait and wonder', 'Hincks-Dellcrest', 4, 12),
    ('parent_infant_psychotherapy', 'Parent-infant psychotherapy', 'the profession', 4, 16),
    ('newborn_behavioural_observation', 'Newborn behavioural observation', 'Brazelton Institute', 3, 3),
    ('circle_of_security', 'Circle of security', 'Circle of Security International', 3, 8),
    ('joint_visits', 'Joint visits with the health visitor', 'Attune', 2, 4)
) AS known(name, title, owner, points, planned);

INSERT INTO measures (reference, version, definition, loaded_at, loaded_by)
SELECT name || '/1', 1, definition::jsonb, now(), 'attune' FROM (VALUES
    ('goal_progress', '{"name": "Progress towards the goals", "owner": "Attune", "licence": "open", "about": "family",
      "higher_is": "better", "lowest": 0, "highest": 10, "items": [
        {"item": "nearer", "text": "How far have you come towards what you wanted? (0 not at all, 10 all the way)",
         "lowest": 0, "highest": 10}]}'),
    ('attune_closeness', '{"name": "Closeness (a demonstration, not validated)", "owner": "Attune", "licence": "open",
      "about": "dyad", "higher_is": "better", "lowest": 0, "highest": 12, "items": [
        {"item": "enjoying", "text": "I enjoy time with my baby.", "lowest": 0, "highest": 3},
        {"item": "understanding", "text": "I can tell what my baby wants.", "lowest": 0, "highest": 3},
        {"item": "soothing", "text": "My baby calms down with me.", "lowest": 0, "highest": 3},
        {"item": "playing", "text": "We have our own little games.", "lowest": 0, "highest": 3}]}'),
    ('phq_9', '{"name": "Patient Health Questionnaire 9", "owner": "Pfizer", "licence": "open", "about": "caregiver",
      "higher_is": "worse", "lowest": 0, "highest": 27, "items": []}'),
    ('gad_7', '{"name": "Generalised Anxiety Disorder 7", "owner": "Pfizer", "licence": "open", "about": "caregiver",
      "higher_is": "worse", "lowest": 0, "highest": 21, "items": []}')
) AS known(name, definition);

-- Requests that wait for a person's triage.
CREATE INDEX requests_of_team ON consultations (team_id, requested_at) WHERE status = 'requested';

-- Consultations that nobody has acknowledged: their clocks need no row of their own for the first hours.
CREATE INDEX unacknowledged ON consultations (requested_at) WHERE ended_at IS NULL AND acknowledged_at IS NULL;

-- What referral has to know of a child.
CREATE TABLE children (
    child_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    family_id uuid,
    team_id uuid,
    born_at timestamptz,
    gone text,
    changed_at timestamptz NOT NULL,
    merged_into uuid,
    CONSTRAINT a_merged_record_says_into_which CHECK (gone <> 'merged' OR merged_into IS NOT NULL)
) WITH (fillfactor = 90);
CREATE INDEX children_merged_into ON children (merged_into) WHERE merged_into IS NOT NULL;

CREATE VIEW children_of_consultations AS
    SELECT c.version, c.consultation_id, k.born_at, k.gone
    FROM consultations c JOIN children k ON k.child_id = c.child_id;

-- What people did with a consultation, and what its clocks have told.
CREATE TABLE progress (
    consultation_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    child_id uuid,
    started_at timestamptz NOT NULL,
    triages jsonb NOT NULL,
    holdings jsonb NOT NULL,
    reports jsonb NOT NULL,
    pauses jsonb NOT NULL,
    notices jsonb NOT NULL,
    ages_told jsonb NOT NULL,
    ages_untold bigint NOT NULL,
    onward_plan text,
    endings jsonb NOT NULL,
    stopped text,
    next_due_at timestamptz,

    CONSTRAINT what_is_stopped_is_not_due CHECK (stopped IS NULL OR next_due_at IS NULL)
) WITH (fillfactor = 80);

CREATE INDEX progress_due ON progress (next_due_at) WHERE next_due_at IS NOT NULL;
CREATE INDEX progress_of_child ON progress (child_id) WHERE child_id IS NOT NULL;
CREATE INDEX unreported ON progress (consultation_id) WHERE jsonb_array_length(holdings) > jsonb_array_length(reports);

CREATE TABLE tasks (
    task_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    kind text NOT NULL,
    about_id uuid NOT NULL,
    consultation_id uuid,
    child_id uuid,
    team_id uuid,
    owner_id uuid,
    note text,
    due_at timestamptz NOT NULL,
    raised_at timestamptz NOT NULL,
    correlation_id uuid NOT NULL,
    escalated boolean NOT NULL,
    handings jsonb NOT NULL,
    outcome text,
    done_by uuid,
    done_at timestamptz,
    next_due_at timestamptz,
    recipient_id uuid DEFAULT NULL,

    CONSTRAINT done_task_says_how CHECK ((done_at IS NULL) = (outcome IS NULL)),
    CONSTRAINT done_task_is_not_due CHECK (done_at IS NULL OR next_due_at IS NULL)
) WITH (fillfactor = 80);

CREATE INDEX tasks_due ON tasks (next_due_at) WHERE next_due_at IS NOT NULL;
CREATE INDEX tasks_of_owner ON tasks (owner_id, due_at) WHERE done_at IS NULL;
CREATE INDEX tasks_of_team ON tasks (team_id, due_at) WHERE done_at IS NULL AND owner_id IS NULL;
CREATE INDEX tasks_about ON tasks (about_id) WHERE done_at IS NULL;
CREATE INDEX tasks_of_child ON tasks (child_id) WHERE done_at IS NULL AND child_id IS NOT NULL;
CREATE INDEX tasks_of_screenings_missed ON tasks (child_id, done_at)
    WHERE kind = 'missed_screening' AND done_at IS NOT NULL;

-- What the service decides for itself; one row.
CREATE TABLE rules (
    name text PRIMARY KEY,
    version bigint NOT NULL,
    edition bigint NOT NULL,
    terms jsonb NOT NULL,
    triaged_by_person jsonb NOT NULL,
    changed_at timestamptz,
    changed_by text NOT NULL
);
