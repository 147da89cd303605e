#!/bin/bash
# First start of the database: a database, an owner (migrations) and a runtime role for each service, no cross grants.
set -euo pipefail

for service in screening referral notification workforce; do

    psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
        -v service="$service" -v owner="${service}_owner" -v app="${service}_app" \
        -v owner_password="$ATTUNE_OWNER_PASSWORD" -v app_password="$ATTUNE_APP_PASSWORD" <<'SQL'
CREATE ROLE :"owner" LOGIN PASSWORD :'owner_password';
CREATE ROLE :"app" LOGIN PASSWORD :'app_password';
CREATE DATABASE :"service" OWNER :"owner";
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"service" TO :"app";
-- The server's log would otherwise quote the values of a row that breaks a constraint, NHS numbers among them.
ALTER DATABASE :"service" SET log_error_verbosity = terse;
SQL
done
