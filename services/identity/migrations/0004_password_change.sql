-- migrate:up

-- Passwords that were changed and of which the log does not know yet. A row is written in the statement that
-- changes the hash, and deleted when its PasswordChanged is appended.
create table password_change (
    account_id uuid not null,
    changed_at timestamptz not null,
    change text not null,
    primary key (account_id, changed_at)
);

-- migrate:down

drop table password_change;
