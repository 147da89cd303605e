-- One stored case in twenty is still open; the others were closed after a while.
WITH g AS MATERIALIZED (
  SELECT n, pg_temp.stored_at(n) AS at, pg_temp.stored_id('child', n) AS child_id, n % 20 = 0 AS is_open,
    pg_temp.stored_id('consultation', n) AS consultation_id, 1 + n % cardinality($3::uuid[]) AS team,
    ($5::uuid[])[1 + n % cardinality($5::uuid[])] AS screener
  FROM generate_series($1::bigint, $2::bigint) AS n),
w AS MATERIALIZED (
  SELECT *, ($3::uuid[])[team] AS team_id,
    ($4::uuid[])[(team - 1) * (cardinality($4::uuid[]) / cardinality($3::uuid[]))
      + 1 + n / 20 % (cardinality($4::uuid[]) / cardinality($3::uuid[]))] AS practitioner
  FROM g),
c AS (INSERT INTO consultations (consultation_id, version, child_id, family_id, screening_id, team_id, kind, band, points,
    language, requested_by, requested_at, status, unsettled, correlation_id, assigned_to, assigned_at, because, candidates, rule,
    end_reason, ended_by, ended_at, acknowledged_by, acknowledged_at)
  SELECT consultation_id, CASE WHEN is_open THEN 2 ELSE 4 END, child_id, pg_temp.stored_id('pregnancy', n),
    pg_temp.stored_id('screening', n), team_id, 'case_consultation', 1, 2, 'en', screener, at,
    CASE WHEN is_open THEN 'accepted' ELSE 'closed' END, false, pg_temp.stored_id('screen', n), practitioner, at, 'lightest_share', 10,
    'lightest-share/2', CASE WHEN NOT is_open THEN 'completed' END, CASE WHEN NOT is_open THEN practitioner END,
    CASE WHEN NOT is_open THEN at + interval '30 days' END, practitioner, at
  FROM w),
t AS (INSERT INTO streams (key, last) SELECT child_id, CASE WHEN is_open THEN 2 ELSE 3 END FROM w),
i AS (INSERT INTO inbox (id, handled_at) SELECT pg_temp.stored_id('screen-event', n), at FROM w)
INSERT INTO journal (recorded_at, event_id, key, sequence, type, correlation_id, causation_id, data)
SELECT at, pg_temp.stored_id(kind, n), child_id, sequence, 'attune.referral.' || kind || '.v1',
  pg_temp.stored_id('screen', n), pg_temp.stored_id('screen-event', n),
  convert_to(json_build_object('consultation_id', consultation_id, 'child_id', child_id, 'team_id', team_id,
    'priority', 'routine', 'requested_by', screener, 'practitioner_id', practitioner, 'points', 2, 'candidates', 10,
    'because', 'lightest_share', 'rule', 'lightest-share', 'rule_version', 1, 'language', 'en', 'waited_seconds', 0,
    'assigned_at', at)::text, 'UTF8')
FROM w, (VALUES ('consultation-requested', 1), ('case-assigned', 2), ('case-closed', 3)) AS told(kind, sequence)
WHERE sequence < 3 OR NOT is_open
