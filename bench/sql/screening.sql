WITH g AS MATERIALIZED (
  SELECT n, pg_temp.stored_at(n) AS at, pg_temp.stored_id('child', n) AS child_id,
    pg_temp.stored_id('pregnancy', n) AS pregnancy_id, pg_temp.stored_id('screening', n) AS screening_id,
    ($3::uuid[])[1 + n % cardinality($3::uuid[])] AS team_id,
    ($4::uuid[])[1 + n % cardinality($4::uuid[])] AS screener
  FROM generate_series($1::bigint, $2::bigint) AS n),
p AS (INSERT INTO pregnancies (version, pregnancy_id, team_id, expected_on, child_ids, registered_at)
  SELECT 1, pregnancy_id, team_id, at::date - 45, jsonb_build_array(child_id), at - interval '200 days' FROM g),
c AS (INSERT INTO children (version, child_id, pregnancy_id, team_id, expected_on, born_on, birth, children_born,
    registered_at, last_screening_id, last_outcome, screened_at, covered_at_days, window_state, window_of, opens_day,
    due_day, closes_day)
  SELECT 3, child_id, pregnancy_id, team_id, at::date - 45, at::date - 45, 'live', 1, at - interval '200 days',
    screening_id, 'concern', at, 45, 'met', 'early-attachment-pathway/1', 29, 56, 70 FROM g),
a AS (INSERT INTO consultations_asked (version, screening_id, consultation_id, requested_at)
  SELECT 1, screening_id, pg_temp.stored_id('consultation', n), at FROM g),
s AS (INSERT INTO screenings (version, screening_id, child_id, instrument, instrument_version, administered_by,
    screened_at, recorded_at, recorded_by, outcome, answers, record)
  SELECT 1, screening_id, child_id, 'early-attachment-demonstration', 1, screener, at, at, screener::text, 'concern',
    jsonb_build_object('first_weeks', repeat('Mostly grey, with some wind, and an hour of sun. ', 3),
      'small_moment', repeat('When she looked at the lamp and then at me. ', 3),
      'who_helps', repeat('My sister on Sundays; at night nobody. ', 3)),
    jsonb_build_object('instrument', 'early-attachment-demonstration', 'instrument_version', 1,
      'pathway', 'early-attachment-pathway', 'pathway_version', 1, 'decided_by', screener,
      'inputs', jsonb_build_object('age_days', 45, 'seconds_observed', 150, 'setting', 'home', 'interpreter', false,
        'language', 'en', 'caregiver_id', NULL, 'administered_by', screener, 'role', 'health_visitor',
        'second_rater', NULL, 'screened_at', at, 'certificate', 'valid', 'override_outcome', NULL,
        'override_reason', NULL, 'observed', '{"fear": "not_seen", "soothing": 2, "answering": 3, "playfulness": 1,
          "turning_towards": 3, "mood_of_the_room": "tense"}'::jsonb),
      'conclusion', '{"total": 9, "rule": "high_total", "outcome": "concern", "follows": "consultation_routine",
        "overridden": false, "in_window": true, "follow_up_on": null}'::jsonb)
  FROM g),
t AS (INSERT INTO streams (key, last) SELECT child_id, 3 FROM g),
i AS (INSERT INTO inbox (id, handled_at, fingerprint, status, reply)
  SELECT pg_temp.stored_id(kind, n), at, decode(md5(kind || n), 'hex'), 201,
    convert_to(json_build_object('screening_id', screening_id, 'child_id', child_id, 'outcome', 'concern',
      'follows', 'consultation_routine', 'certificate', 'valid', 'age_days', 45, 'in_window', true)::text, 'UTF8')
  FROM g, unnest(ARRAY['register', 'birth', 'screen']) AS kind)
INSERT INTO journal (recorded_at, event_id, key, sequence, type, correlation_id, causation_id, data)
SELECT at, pg_temp.stored_id(kind || '-event', n), child_id, sequence, 'attune.screening.' || type || '.v1',
  pg_temp.stored_id(kind, n), pg_temp.stored_id(kind, n),
  convert_to(json_build_object('screening_id', screening_id, 'child_id', child_id, 'pregnancy_id', pregnancy_id,
    'team_id', team_id, 'outcome', 'concern', 'follows', 'consultation_routine', 'age_days', 45, 'setting', 'home',
    'language', 'en', 'administered_by', screener, 'certificate', 'valid', 'screened_at', at)::text, 'UTF8')
FROM g, (VALUES ('register', 1, 'pregnancy-registered'), ('birth', 2, 'birth-recorded'), ('screen', 3, 'screening-completed'))
  AS told(kind, sequence, type)
