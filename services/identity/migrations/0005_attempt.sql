-- migrate:up

-- How often something was tried of late: `full_until` moves on by a step with every try, and a try is refused
-- that would take it further ahead than the limit's whole time. Keys are HMACs: no address, no e-mail.
create table attempt (
    key text primary key,
    full_until timestamptz not null
) with (fillfactor = 80);

-- From which addresses an account's owner has signed in.
create table familiar_address (
    key text primary key,
    seen_at timestamptz not null
);

-- migrate:down

drop table familiar_address;
drop table attempt;
