"""How is an account refused that is not there, or not the caller's?"""

from portal_eventstore.decision import NotFound


class AccountUnknown(NotFound):
    """Nobody's, or somebody else's."""

    code = "account-unknown"
    title = "There is no such account"
