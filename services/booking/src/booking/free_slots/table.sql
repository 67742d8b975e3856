-- What is offered and when a doctor is busy. Offers come keyed by doctor, bookings by patient, in any order
-- between the two: so neither table ever looks at the other, and the search takes their difference.
-- A taken slot stays: booking it must be refused as taken, not as unknown.

create table if not exists free_slots_offer (
    slot_id uuid primary key,
    doctor_id uuid not null,
    service_id uuid not null,
    facility_id uuid not null,
    mode text not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    zone text not null
) with (fillfactor = 80);

-- In the order of the search; facility and doctor are checked in the index, before a row is fetched.
create index if not exists free_slots_offer_search
    on free_slots_offer (service_id, starts_at, facility_id, doctor_id);

create table if not exists free_slots_busy (
    appointment_id uuid primary key,
    doctor_id uuid not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null
) with (fillfactor = 80);

create index if not exists free_slots_busy_doctor
    on free_slots_busy (doctor_id, starts_at) include (ends_at);
