-- What is offered, when doctors are busy, and what the search sorts by. Offers come keyed by doctor, busy times
-- by patient, in any order between the two. `taken` says of an offer whether an appointment overlaps it: always
-- worked out from both tables, by whichever comes second (project.py). A taken slot stays: booking it must be
-- refused as taken, not as unknown; but it leaves the indexes of the search.

create table if not exists free_slots_offer (
    slot_id uuid primary key,
    doctor_id uuid not null,
    doctor_name text not null,
    service_id uuid not null,
    facility_id uuid not null,
    city text collate "C", -- the facility's, as is its street: unknown until that has arrived (project.py)
    street text,
    mode text not null,
    part_of_day text not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    zone text not null,
    taken boolean not null
) with (fillfactor = 80);

-- What a search names, then the order of its answer, then what it checks before it fetches a row.
-- What is over lies before the place where a search begins.
create index if not exists free_slots_offer_service
    on free_slots_offer (service_id, starts_at, doctor_name, mode, part_of_day) where not taken;
create index if not exists free_slots_offer_city
    on free_slots_offer (service_id, city, starts_at, doctor_name, mode, part_of_day, facility_id) where not taken;
create index if not exists free_slots_offer_doctor
    on free_slots_offer (doctor_id, starts_at);
create index if not exists free_slots_offer_nowhere
    on free_slots_offer (facility_id) where city is null;

create table if not exists free_slots_place (
    facility_id uuid primary key,
    city text collate "C" not null,
    street text not null
);

create table if not exists free_slots_doctor (
    doctor_id uuid primary key,
    name text not null
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

create index if not exists free_slots_busy_booked
    on free_slots_busy (doctor_id, starts_at) include (ends_at) where expires_at = 'infinity';
create index if not exists free_slots_busy_held
    on free_slots_busy (doctor_id, starts_at) include (ends_at, expires_at, patient_id) where expires_at < 'infinity';
