"""How do the demo people come into an empty portal, and how are they shown?

`portal_demo` loads the services' command handlers, so it runs in a child and the launcher stays small.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from portal_launcher.faults import NOT_RUNNING, Fault
from portal_launcher.layout import Layout
from portal_launcher.progress import Progress, show
from portal_launcher.run_file import Run, read_run
from portal_launcher.secret_files import write_private
from portal_launcher.supervise import Program, Supervisor


def seed(layout: Layout) -> int:
    """Seed the running portal, if it is empty."""
    run = read_run(layout.run_file)
    if run is None or not run.is_running:
        raise Fault(
            NOT_RUNNING, "The portal does not run; start it with ./portal up, which seeds an empty one."
        )
    progress = Progress()
    asyncio.run(seed_in_child(Supervisor(progress.say, lambda: None), run, layout, progress.say))
    announce(run.url, layout.demo)
    return 0


async def seed_in_child(supervisor: Supervisor, run: Run, layout: Layout, say: Callable[[str], None]) -> None:
    """Write the demo data when the store is empty; `demo.json` is written by the child."""
    if run.postgres_data and (layout.state / "seeded").exists() and layout.demo.exists():
        return
    say("looking whether the demo data are there")
    await supervisor.run(
        Program(
            name="seed",
            command=[
                sys.executable,
                "-m",
                "portal_launcher.seed_child",
                str(layout.run_file),
                str(layout.demo),
            ],
            environment=dict(os.environ),
            log=layout.logs / "seed.log",
            directory=layout.root,
        )
    )
    (layout.state / "seeded").touch()


def announce(url: str, demo: Path) -> None:
    """Print the address, who can sign in, and what to try."""
    show()
    show(f"  The portal: {url}")
    if not demo.exists():
        show()
        return
    people = json.loads(demo.read_text())
    if people.get("url") != url:
        write_private(demo, json.dumps({**people, "url": url}, ensure_ascii=False, indent=1))
    for patient in people.get("patients", []):
        note = f"  {patient['note']}" if patient.get("note") else ""
        show(f"    patient  {patient['email']}  {patient['password']}  ({patient['level']}){note}")
    for member in people.get("staff", []):
        roles = ", ".join(member["roles"]) if isinstance(member["roles"], list) else member["roles"]
        show(f"    staff    {member['email']}  {member['password']}  ({roles})")
    show(f"  All of it, with PESEL numbers and one-time-code secrets: {demo}")
    show("  Try: sign in as a patient, search a visit, book it, and watch it appear on the timeline.")
    show("  Also: ./portal status, ./portal logs booking -f, ./portal down.")
    show()
