"""What runs, since when, and is it ready?"""

from __future__ import annotations

import time

from portal_launcher.layout import Layout
from portal_launcher.operate import running
from portal_launcher.ports import is_free
from portal_launcher.processes import is_alive
from portal_launcher.progress import show
from portal_launcher.readiness import ask_now
from portal_launcher.run_file import ProcessRecord


def status(layout: Layout) -> int:
    """Print a table of the processes; exit 1 when one of them is not ready."""
    run = running(layout)
    show(f"{run.url}  (launcher pid {run.pid})")
    show(f"{'process':<18}{'pid':>8}{'port':>8}{'metrics':>9}{'uptime':>10}{'restarts':>10}  ready")
    every = True
    for record in run.processes:
        said, *degraded = readiness(record)
        every = every and said == "yes"
        age, ports = duration(time.time() - record.since), (record.port or "-", record.metrics_port or "-")
        where = f"{record.name:<18}{record.pid:>8}{ports[0]:>8}{ports[1]:>9}"
        show(f"{where}{age:>10}{record.restarts:>10}  {said}")
        for each in degraded:
            show(f"{'':<18}degraded: {each}")
    return 0 if every and run.ready else 1


def readiness(record: ProcessRecord) -> list[str]:
    """Say in a word whether a process is ready, or what it lacks; then what is not as it should be."""
    if not is_alive(record.identity):
        return ["dead, about to be started again"]
    if record.port is None:
        return ["yes"]
    if not record.http:
        return ["no, its port is closed" if is_free(record.port) else "yes"]
    answer = ask_now(record.port)
    return ["yes" if answer.ready else f"no: {answer.missing}", *answer.degraded]


def duration(seconds: float) -> str:
    """Write a span as people read it."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s"
