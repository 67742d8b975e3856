"""Whom does a patient call about an appointment that a desk made?"""

from typing import Any
from uuid import UUID

_PHONE = """
select nullif(f.phone, '') from appointments a join catalogue_facility f on f.facility_id = a.facility_id
where a.patient_id = $1 and a.appointment_id = $2 and a.source = 'desk'
"""


async def find_desk_phone(views: Any, patient_id: UUID, appointment_id: UUID) -> str | None:
    """Return the facility's phone number (E.164), where the patient has this appointment from its desk."""
    phone: str | None = await views.fetchval(_PHONE, patient_id, appointment_id)
    return phone
