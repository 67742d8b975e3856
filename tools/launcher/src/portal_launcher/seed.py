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

from portal_launcher.layout import Layout
from portal_launcher.operate import running
from portal_launcher.progress import Progress, show
from portal_launcher.run_file import Run
from portal_launcher.supervise import Program, Supervisor
from portal_secrets.files import write_private

SCALES = ("small", "large")
"""How much `portal_demo` can write; the first is the usual."""


def seed(layout: Layout, scale: str | None) -> int:
    """Seed the running portal, if it is empty."""
    run = running(layout)
    progress = Progress()
    asyncio.run(seed_in_child(Supervisor(progress.say, lambda: None), run, layout, progress.say, scale))
    announce(run, layout.demo)
    return 0


async def seed_in_child(
    supervisor: Supervisor, run: Run, layout: Layout, say: Callable[[str], None], scale: str | None
) -> None:
    """Write the demo data when the store is empty; `demo.json` is written by the child.

    `scale` is what was asked for, None for the usual: data that are there stay as they are.
    """
    seeded = layout.state / "seeded"
    if run.postgres_data and seeded.exists() and layout.demo.exists():
        there = seeded.read_text() or SCALES[0]
        if scale not in (None, there):
            say(f"the demo data are there, in scale {there}; for others: ./portal down --purge, then up")
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
                scale or SCALES[0],
            ],
            environment=dict(os.environ),
            log=layout.logs / "seed.log",
            directory=layout.root,
        )
    )
    seeded.write_text(scale or SCALES[0])


def announce(run: Run, demo: Path) -> None:
    """Print the addresses, who can sign in, and what to try."""
    url = run.url
    show()
    show(f"  The portal: {url}")
    if run.mailbox:
        show(f"  Its mails:  {run.mailbox}")
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
