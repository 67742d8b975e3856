"""Does a change bring the tests that it can break, and no others?"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from portal_launcher.changed import broken_by, changed_files
from portal_launcher.layout import ROOT


@pytest.mark.parametrize(
    ("file", "found", "spared"),
    [
        (
            "services/booking/src/booking/book_appointment/decide.py",
            {"services/booking/tests/test_book_appointment.py", "tools/contract/tests/test_produced.py"},
            {"services/identity/tests/test_pesel.py", "shared/events/tests/test_base.py"},
        ),
        (
            "services/booking/src/booking/free_slots/table.sql",
            {"services/booking/tests/test_free_slots.py"},
            {"services/identity/tests/test_pesel.py"},
        ),
        (
            "shared/events/src/portal_events/base.py",
            {"shared/events/tests/test_base.py", "services/identity/tests/test_open_account.py"},
            set(),  # the root's conftest.py stands on it
        ),
        (
            "services/identity/tests/doubles.py",
            {"services/identity/tests/test_pesel.py"},
            {"services/booking/tests/test_calendar.py"},
        ),
        (
            "services/booking/tests/test_calendar.py",
            {"services/booking/tests/test_calendar.py"},
            {"services/booking/tests/test_hold_slot.py"},
        ),
        ("tests/services.py", {"tests/views/test_every_order.py"}, {"services/identity/tests/test_pesel.py"}),
        ("conftest.py", {"shared/events/tests/test_base.py", "tests/e2e/test_tour.py"}, set()),
        ("docs/reliability.md", set(), {"services/booking/tests/test_calendar.py"}),
    ],
)
def test_given_a_changed_file_then_the_tests_that_import_it(
    file: str, found: set[str], spared: set[str]
) -> None:
    chosen = set(broken_by([file]))
    assert found <= chosen
    assert not spared & chosen
    assert [path for path in chosen if not (ROOT / path).exists()] == []


def test_given_nothing_changed_then_no_tests() -> None:
    assert broken_by([]) == []


def test_given_changes_and_new_files_in_a_checkout_when_listed_then_both(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("checkout")
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    for name in ("kept.py", "changed.py", "gone.py"):
        (folder / name).write_text("1\n")
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "All"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    (folder / "changed.py").write_text("2\n")
    (folder / "gone.py").unlink()
    (folder / "new.py").write_text("1\n")
    assert changed_files(root=folder) == {Path("changed.py"), Path("gone.py"), Path("new.py")}
