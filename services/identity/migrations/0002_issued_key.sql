-- migrate:up

-- Patients' data keys, wrapped. The worker publishes them on patient.keys (portal_eventstore.issue_keys).
create table issued_key (
    patient_id uuid primary key,
    kek_version int not null,
    ciphertext bytea not null,
    published_at timestamptz
);
create index issued_key_unpublished on issued_key (patient_id) where published_at is null;

-- migrate:down

drop table issued_key;
