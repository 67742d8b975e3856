"""What is a person told while something behind the gateway does not answer?"""

from portal_eventstore.decision import Unavailable


class ServiceUnavailable(Unavailable):
    """A service, the gateway's database or a view that is still being built."""

    code = "service-unavailable"
    title = "This part of the portal does not answer at the moment"
    retry_after = 2
