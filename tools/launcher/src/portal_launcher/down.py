"""How is a running portal stopped from another terminal?"""

from __future__ import annotations

import os
import shutil
import signal
import time

from portal_launcher.faults import BROKEN, Fault
from portal_launcher.layout import Layout
from portal_launcher.postgres import remove_data
from portal_launcher.processes import POLL, is_alive, stop_leftovers
from portal_launcher.progress import show
from portal_launcher.run_file import read_run

PATIENCE = 60.0  # seconds: four groups of processes, ten seconds each at worst


def down(layout: Layout, *, purge: bool = False) -> int:
    """Stop the portal of this state folder and wait until it is gone; `purge` removes its data as well."""
    run = read_run(layout.run_file)
    if run is None:
        show("The portal does not run.")
    elif run.is_running:
        os.kill(run.pid, signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        while is_alive(run.launcher):
            if time.monotonic() > deadline:
                raise Fault(
                    BROKEN, f"The launcher (pid {run.pid}) does not stop; end it with: kill -9 {run.pid}"
                )
            time.sleep(POLL)
        show("The portal is stopped.")
    else:
        names = stop_leftovers((record.name, record.identity, record.stop_signal) for record in run.processes)
        layout.run_file.unlink(missing_ok=True)
        show(f"The launcher was gone; stopped what it had left: {', '.join(names) or 'nothing'}.")
    if purge:
        remove(layout)
        show(f"Its data are removed: {layout.state}")
    return 0


def remove(layout: Layout) -> None:
    """Remove a state with everything in it, and its data that lie elsewhere."""
    remove_data(layout.state, layout.digest)
    shutil.rmtree(layout.state, ignore_errors=True)
    layout.demo.unlink(missing_ok=True)
