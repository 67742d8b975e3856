#!/bin/bash
# Gives each service that has none a database and a role that owns it and nothing else; the password is that of
# the secrets each time. The passwords go by standard input: arguments are for everybody to read.
set -euo pipefail

PGPASSWORD=$(< /run/secrets/password-postgres)
export PGPASSWORD

for service in booking identity gateway; do
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --host postgres --username postgres --dbname postgres <<SQL
\set password \`cat /run/secrets/password-$service\`
select 'create role "$service" login' where not exists (select from pg_roles where rolname = '$service') \gexec
alter role "$service" password :'password';
select 'create database "$service" owner "$service"'
    where not exists (select from pg_database where datname = '$service') \gexec
revoke connect on database "$service" from public;
SQL
done
