-- migrate:up

-- Who is signed in. Not a view: nothing can rebuild these rows, and nobody needs them back.
create table session (
    -- SHA-256 of the cookie's value: whoever reads this table cannot sign in with it.
    digest bytea primary key check (octet_length(digest) = 32),
    -- Names the session to its owner, who may see and end it, without naming the cookie.
    id uuid not null unique,
    account_id uuid not null,
    patient_id uuid,
    roles text[] not null,
    created_at timestamptz not null,
    seen_at timestamptz not null
-- `seen_at` is rewritten again and again: room for the new version on the same page (HOT).
) with (fillfactor = 80);

-- A password change or a disabled account ends all sessions of the account.
create index session_account on session (account_id);

-- migrate:down

drop table session;
