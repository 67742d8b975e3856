-- migrate:up

-- Not in the log, and no view: backed up, never rebuilt. A row is written before its AccountCreated is
-- appended, so that no account exists without one; rows whose append never came are swept (sweep.py).
create table credential (
    account_id uuid primary key,
    password_hash text not null,
    created_at timestamptz not null,
    changed_at timestamptz not null
);

-- migrate:down

drop table credential;
