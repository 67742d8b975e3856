"""Which bugs must the tests of figures and of /readyz catch?"""

from portal_chassis import requests, service
from portal_chassis.metrics import Metrics
from portal_chassis.operations import lag
from portal_eventstore.testing.planting import Bug, rewrite
from portal_eventstore.vitals.watch import Watcher

_METRICS = "shared/chassis/tests/test_metrics.py::test_given_"
_SIGNS = "shared/chassis/tests/test_vital_signs.py::test_hazard_"

MUTANTS: dict[str, Bug] = {
    "a path is a label": Bug(
        rewrite(
            requests.RequestMiddleware,
            'self._metrics.request(route, scope["method"]',
            'self._metrics.request(scope["path"], scope["method"]',
        ),
        _METRICS + "names_in_paths_queries_methods_and_headers_then_no_figure_holds_them",
    ),
    "whatever method was sent is a label": Bug(
        rewrite(Metrics.request, 'method if method in _METHODS else "other"', "method"),
        _METRICS + "names_in_paths_queries_methods_and_headers_then_no_figure_holds_them",
    ),
    "the figures are gone once the process is told to stop": Bug(
        rewrite(
            service,
            "server.should_exit = True",
            "server.should_exit = True; metrics.registry._collector_to_names.clear()",
        ),
        _METRICS + "figures_on_their_own_port_then_the_public_one_has_none_and_they_answer_while_it_drains",
    ),
    "readyz does not ask the watcher": Bug(
        rewrite(Watcher.problems, "if self.findings is None else self.findings.failing", ""),
        _SIGNS + "the_append_lock_is_kept_then_not_ready_and_counted_until_it_is_let_go",
    ),
    "what is degraded is not told": Bug(
        rewrite(Watcher.degraded, "return self.findings.degraded", "return ()"),
        _SIGNS + "events_wait_and_no_relay_runs_then_told_and_counted",
    ),
    "lag ends with 0 whatever it found": Bug(
        rewrite(lag, "return 0 if lag.well else _BEHIND", "return 0"),
        "shared/chassis/tests/test_lag.py::test_given_a_view_behind_then_1_and_where",
    ),
}
