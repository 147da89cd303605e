WITH g AS MATERIALIZED (
  SELECT n, pg_temp.stored_at(n) AS at, pg_temp.stored_id('child', n) AS child_id,
    pg_temp.stored_id('consultation', n) AS consultation_id, 1 + n % cardinality($3::uuid[]) AS team,
    ($5::uuid[])[1 + n % cardinality($5::uuid[])] AS screener
  FROM generate_series($1::bigint, $2::bigint) AS n),
w AS MATERIALIZED (
  SELECT g.*, kind, sequence, pg_temp.stored_id(kind, n) AS message_id,
    CASE kind WHEN 'case_assigned' THEN screener
      ELSE ($4::uuid[])[(team - 1) * (cardinality($4::uuid[]) / cardinality($3::uuid[]))
        + 1 + n / 20 % (cardinality($4::uuid[]) / cardinality($3::uuid[]))] END AS recipient
  FROM g, (VALUES ('case_assigned_to_you', 1), ('case_assigned', 2)) AS letters(kind, sequence)),
m AS (INSERT INTO messages (message_id, version, kind, about_id, child_id, recipient_kind, recipient_id, status, correlation_id,
    recorded_at, give_up_at, attempt, channel, settled_at, history)
  SELECT message_id, 3, kind, consultation_id, child_id, 'practitioner', recipient, 'sent', pg_temp.stored_id('screen', n), at, at + interval '1 day',
    1, 'file', at, jsonb_build_array(jsonb_build_object('at', at, 'by', '', 'reason', NULL, 'result', 'accepted',
      'attempt', 1, 'channel', 'file'))
  FROM w),
t AS (INSERT INTO streams (key, last) SELECT child_id, 2 FROM g),
i AS (INSERT INTO inbox (id, handled_at)
  SELECT pg_temp.stored_id(kind, n), at FROM g, unnest(ARRAY['screen-event', 'case-assigned']) AS kind)
INSERT INTO journal (recorded_at, event_id, key, sequence, type, correlation_id, causation_id, data)
SELECT at, pg_temp.stored_id(kind || '-sent', n), child_id, sequence, 'attune.notification.message-sent.v1', message_id,
  message_id, convert_to(json_build_object('message_id', message_id, 'about_id', consultation_id, 'child_id', child_id,
    'recipient_id', recipient, 'recipient_kind', 'practitioner', 'kind', kind, 'attempt', 1, 'channel', 'file',
    'language', 'en', 'sent_at', at)::text, 'UTF8')
FROM w
