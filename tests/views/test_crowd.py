"""Does everything that a view handles happen in the crowd?"""

import random

from tests.services import VIEWS

from .crowd import happened


def test_given_what_views_handle_when_looked_for_in_the_crowd_then_it_happens_there() -> None:
    records = [record for lane in happened(random.Random(1)).values() for record in lane]
    types = {dict(record.headers).get("ce_type", b"").decode() for record in records}
    absent = [
        f"{event} ({name})"
        for name, (_, view) in VIEWS.items()
        for event in view.handles
        if not any(f".{event}.v" in type_ for type_ in types)
    ]
    assert not absent, f"let it happen in tests/views/crowd.py, because a view handles it: {absent}"
