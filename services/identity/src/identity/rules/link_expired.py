"""How is a link refused that does not work, or not any more?"""

from portal_eventstore.decision import Lapsed


class LinkExpired(Lapsed):
    """Unknown, used, replaced by a newer one or too old: one wording."""

    code = "link-expired"
    title = "This link is not valid any more"
