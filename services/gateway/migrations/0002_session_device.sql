-- migrate:up

alter table session
    -- What the browser says it is, so that a person knows their own sessions; nothing is decided by it.
    add column user_agent text not null default '' check (char_length(user_agent) <= 200),
    -- The password change that this session goes on after: a position in identity's log; 0 for none.
    add column password_position bigint not null default 0;

-- migrate:down

alter table session drop column password_position, drop column user_agent;
