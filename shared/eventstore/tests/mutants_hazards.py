"""Which bugs must the tests of hazards catch?"""

from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any

from portal_eventstore import kafka

_MEMORY = "shared/eventstore/tests/test_hazards_memory.py::test_given_"


def _setting(holder: Any, name: str, value: Any) -> Callable[[], None]:
    return partial(setattr, holder, name, value)


MUTANTS: dict[str, tuple[Callable[[], None], str]] = {
    "a batch is bounded in records only": (
        _setting(kafka, "_STEP_RECORDS", 5_000),
        _MEMORY + "a_slow_view_when_much_waits_then_its_memory_is_bounded[large]",
    ),
    "timers keep the batches that they were set in": (
        _setting(kafka, "Context", copy_context),
        _MEMORY + "a_slow_view_when_much_waits_then_its_memory_is_bounded[large]",
    ),
}
