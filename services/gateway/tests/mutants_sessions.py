"""Which bugs keep a session alive that should be over, and which test catches each when it is planted?"""

from typing import Any

from gateway import identity
from gateway.edge import session_table
from gateway.edge.open_sessions import OpenSessions
from gateway.end_sessions_when_password_changed import react
from gateway.forward import endpoint as forward
from portal_eventstore.testing.planting import Bug, put, rewrite, together


def _believed(request: Any) -> str | None:
    told: str | None = request.headers.get("x-forwarded-for")
    return told


_TESTS = "services/gateway/tests/"
_SESSIONS = f"{_TESTS}test_sessions.py::"
_ACCOUNT = f"{_TESTS}test_account.py::"
_REACTION = f"{_TESTS}test_end_sessions_when_password_changed.py::"

MUTANTS: dict[str, Bug] = {
    "a sign-out only forgets the memory": Bug(
        rewrite(OpenSessions, "await self._rows.remove(session.digest)", "pass"),
        _SESSIONS + "test_given_a_session_when_signed_out_then_the_row_is_gone_and_the_cookie_cleared",
    ),
    "a revocation only forgets the memory": Bug(
        rewrite(
            OpenSessions,
            "await self._rows.remove_own(session_id, account_id)",
            "next((s.digest for s in await self._rows.of_account(account_id) if s.id == session_id), None)",
        ),
        _SESSIONS + "test_given_another_session_of_mine_when_ended_then_its_row_is_gone_and_it_is_signed_out",
    ),
    "anybody ends a session whose id they know": Bug(
        rewrite(session_table, " and account_id = $2", " and $2::uuid is not null"),
        _TESTS + "test_session_table.py::"
        "test_given_a_session_when_its_account_removes_it_by_id_then_gone_and_no_others_can",
    ),
    "a reset only forgets the memory": Bug(
        rewrite(OpenSessions, "await self._rows.remove_all(account_id)", "pass"),
        _ACCOUNT + "test_given_a_link_when_the_password_is_reset_then_every_session_of_the_account_is_over",
    ),
    "a reset succeeds though the rows remain": Bug(
        rewrite(
            OpenSessions,
            "await self._rows.remove_all(account_id)",
            "with suppress(Unavailable):\n            await self._rows.remove_all(account_id)",
        ),
        _ACCOUNT + "test_hazard_table_away_when_the_password_was_reset_then_503",
    ),
    "a changed password leaves the other sessions": Bug(
        rewrite(
            OpenSessions,
            "await self._rows.replace_all(session)",
            "await self._rows.add(session, instead_of=None)",
        ),
        _ACCOUNT
        + "test_given_three_browsers_when_the_password_changes_then_this_one_goes_on_under_a_new_cookie",
    ),
    "a session begins when the password check ends": Bug(
        rewrite(OpenSessions, "_new(person, began)", "_new(person, self._clock())"),
        _SESSIONS + "test_hazard_password_checked_before_it_changed_then_the_session_counts_as_begun_before",
    ),
    "the reaction ends nothing": Bug(
        rewrite(react, "delete from session using ended where", "select from session, ended where"),
        _REACTION
        + "test_given_a_change_then_sessions_that_began_before_it_end_and_later_ones_and_others_stay",
    ),
    "the reaction ends what the change itself opened": Bug(
        rewrite(react, "s.password_position < change.position", "change.position > 0"),
        _REACTION + "test_hazard_clocks_equal_or_apart_then_what_the_change_itself_opened_stays",
    ),
    "the reaction spares what began at the same instant": Bug(
        rewrite(react, "s.created_at <= change.at", "s.created_at < change.at"),
        _REACTION
        + "test_given_a_change_then_sessions_that_began_before_it_end_and_later_ones_and_others_stay",
    ),
    "a header names the client's address": Bug(
        together(put(identity, "client_address", _believed), put(forward, "client_address", _believed)),
        _TESTS
        + "test_forward.py::test_hazard_forged_address_then_identity_hears_the_sockets_and_booking_none",
    ),
}
