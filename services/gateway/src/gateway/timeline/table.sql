-- What a patient's timeline shows, by ids alone: names are joined when it is read, from the view `directory`.
create table if not exists timeline (
    patient_id uuid not null,
    starts_at timestamptz not null,
    -- The id of the event that made the item.
    id uuid not null,
    kind text not null,
    minutes integer not null,
    -- The wall clock of the place (IANA name), for showing `starts_at` to a person.
    zone text not null,
    service_id uuid not null,
    doctor_id uuid not null,
    facility_id uuid not null,
    appointment_id uuid not null,
    -- Who made the appointment: `portal` or `desk`.
    source text not null,
    cancelled boolean not null,
    -- The place in booking's log of the event that last changed the row: where a stream goes on.
    position bigint not null,
    -- The order of the pages; a patient's rows lie side by side.
    primary key (patient_id, starts_at, id)
) with (fillfactor = 80);
