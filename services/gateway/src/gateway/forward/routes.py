"""Which public paths are answered by which service?"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Forwarded:
    """One operation. The service's path is `path` without /api; ids are UUIDs, anything else is 404.

    What a token may look like, the service knows.
    `needs_session`: a visitor gets 401 here. Otherwise the service is told who asks if somebody is signed in.
    """

    method: str
    path: str
    service: str
    needs_session: bool = True


ROUTES: Final = (
    # The catalogue is public: what the network offers is on its landing page too.
    Forwarded("GET", "/api/catalogue/services", "booking", needs_session=False),
    Forwarded("GET", "/api/catalogue/facilities", "booking", needs_session=False),
    Forwarded("GET", "/api/catalogue/doctors", "booking", needs_session=False),
    Forwarded("GET", "/api/slots", "booking"),
    Forwarded("POST", "/api/holds", "booking"),
    Forwarded("DELETE", "/api/holds/{id:uuid}", "booking"),
    Forwarded("POST", "/api/appointments", "booking"),
    Forwarded("GET", "/api/appointments", "booking"),
    Forwarded("GET", "/api/appointments/{id:uuid}", "booking"),
    Forwarded("POST", "/api/appointments/{id:uuid}/cancellation", "booking"),
    Forwarded("POST", "/api/appointments/{id:uuid}/move", "booking"),
    # Whoever lost the password is a visitor, and so may be who opens a link: on another machine.
    Forwarded("POST", "/api/password-resets", "identity", needs_session=False),
    Forwarded("POST", "/api/email-confirmations", "identity"),
    Forwarded("POST", "/api/email-confirmations/{token}", "identity", needs_session=False),
)
