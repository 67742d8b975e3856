-- What is offered, when doctors are busy, and where facilities are. Offers come keyed by doctor, busy times by
-- patient, in any order between the two: so neither table ever looks at the other, and the search takes their
-- difference. A taken slot stays: booking it must be refused as taken, not as unknown.

create table if not exists free_slots_offer (
    slot_id uuid primary key,
    doctor_id uuid not null,
    service_id uuid not null,
    facility_id uuid not null,
    city text collate "C", -- the facility's, unknown until that has arrived (project.py)
    mode text not null,
    part_of_day text not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    zone text not null
) with (fillfactor = 80);

-- One for each way to look: what is given comes first, then the order of the search, then what is checked in
-- the index before a row is fetched. Whatever is over lies before the place where a search begins.
create index if not exists free_slots_offer_service
    on free_slots_offer (service_id, starts_at, part_of_day, mode, doctor_id);
create index if not exists free_slots_offer_city
    on free_slots_offer (service_id, city, starts_at, part_of_day, mode, doctor_id);
create index if not exists free_slots_offer_facility
    on free_slots_offer (service_id, facility_id, starts_at, part_of_day, mode, doctor_id);
create index if not exists free_slots_offer_doctor
    on free_slots_offer (doctor_id, service_id, starts_at, part_of_day, mode);
create index if not exists free_slots_offer_nowhere
    on free_slots_offer (facility_id) where city is null;

create table if not exists free_slots_place (
    facility_id uuid primary key,
    city text collate "C" not null
);

-- An appointment or a hold: `expires_at` is infinity for the one, an instant for the other.
create table if not exists free_slots_busy (
    id uuid primary key,
    doctor_id uuid not null,
    patient_id uuid not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    expires_at timestamptz not null
) with (fillfactor = 80);

create index if not exists free_slots_busy_doctor
    on free_slots_busy (doctor_id, starts_at) include (ends_at, expires_at, patient_id);
