-- migrate:up

-- Links that were sent by e-mail: one an account and purpose, so that a newer one replaces the older. Of the
-- token only the digest is kept; a used link's row is deleted. Not in the log, and no view.
create table link (
    account_id uuid not null,
    purpose text not null,
    digest bytea not null unique,
    -- The blind tag of the address that the link is about.
    email_tag text not null,
    expires_at timestamptz not null,
    primary key (account_id, purpose)
);

-- Mails to be sent by the worker: whom it is for is an account, or the blind tag of an address that may belong
-- to nobody. A row is deleted when its mail was sent, or turned out to be for nobody.
create table mail_order (
    id uuid primary key,
    kind text not null,
    account_id uuid,
    email_tag text,
    ordered_at timestamptz not null,
    due_at timestamptz not null,
    attempts int not null default 0,
    check (account_id is not null or email_tag is not null)
);
create index mail_order_due on mail_order (due_at);

-- Up to which event of the log the mails that events cause are ordered.
create table mail_mark (
    only_row boolean primary key default true check (only_row),
    position bigint not null default 0
);
insert into mail_mark default values;

-- migrate:down

drop table mail_mark;
drop table mail_order;
drop table link;
