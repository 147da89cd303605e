-- Ids of stored cases: the same in every database for the same number, in the order of time as a UUIDv7 is.
CREATE OR REPLACE FUNCTION pg_temp.stored_at(n bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS
$$ SELECT to_timestamp((1760000000000 + n * 12000) / 1000.0) $$;
CREATE OR REPLACE FUNCTION pg_temp.stored_id(kind text, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
$$ SELECT (lpad(to_hex(1760000000000 + n * 12000), 12, '0') || '7' || substr(md5(kind || n), 1, 3)
           || '8' || substr(md5(kind || n), 4, 15))::uuid $$;
