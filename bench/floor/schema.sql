CREATE TABLE inbox (id uuid PRIMARY KEY);
CREATE TABLE children (
    child_id uuid PRIMARY KEY,
    version  int   NOT NULL,
    held     jsonb NOT NULL
) WITH (fillfactor = 90);
CREATE TABLE assignments (
    consultation_id uuid PRIMARY KEY,
    practitioner    int NOT NULL
);
CREATE TABLE pools (
    pool     int PRIMARY KEY,
    version  int   NOT NULL,
    capacity int[] NOT NULL,
    used     int[] NOT NULL
) WITH (fillfactor = 20);
CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key      uuid  NOT NULL,
    headers  text  NOT NULL,
    data     bytea NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
INSERT INTO pools SELECT n, 0, array_fill(1000000, '{10}'), array_fill(0, '{10}') FROM generate_series(0, 19) AS n;
