#!/bin/bash
# Gives each service a database and a role that owns it and nothing else. PostgreSQL's image runs this once, on an
# empty volume. The passwords go by standard input: arguments are for everybody to read.
set -euo pipefail

PGPASSWORD=$(< /run/secrets/password-postgres)
export PGPASSWORD

for service in booking identity gateway; do
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<SQL
\set password \`cat /run/secrets/password-$service\`
create role "$service" login password :'password';
create database "$service" owner "$service";
revoke connect on database "$service" from public;
SQL
done
