"""What does this machine lack to run, test and look into the portal?"""

from __future__ import annotations

import platform
import shutil
import sys
from dataclasses import dataclass

from portal_launcher.artifacts import is_here
from portal_launcher.java import find_java, version
from portal_launcher.layout import Layout
from portal_launcher.ports import is_free
from portal_launcher.progress import show
from portal_launcher.run_file import read_run
from portal_launcher.up import SPACE


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `mend` is the command that brings it."""

    what: str
    ok: bool
    mend: str
    needed: bool = True


def doctor(layout: Layout, port: int) -> int:
    """Print one line a finding; exit 1 when something needed is missing."""
    findings = examine(layout, port)
    for finding in findings:
        state = "ok" if finding.ok else "MISSING" if finding.needed else "missing (useful)"
        show(f"{finding.what:<43} {state}" + ("" if finding.ok else f"  -> {finding.mend}"))
    return 1 if any(finding.needed and not finding.ok for finding in findings) else 0


def examine(layout: Layout, port: int) -> list[Finding]:
    """Look at everything once."""
    java = find_java()
    folder = layout.state if layout.state.exists() else layout.root
    free = shutil.disk_usage(folder).free
    run = read_run(layout.run_file)
    ours = run is not None and run.is_running and run.port == port
    boot = layout.root / ".portal" / "boot"
    uv = shutil.which("uv") or next(iter(boot.glob("**/bin/uv")), None)
    here = all(is_here(name, layout.dependencies) for name in ("kafka", "postgres"))
    return [
        Finding(f"Python {platform.python_version()}", sys.version_info >= (3, 11), "apt install python3"),
        Finding("uv", uv is not None, "python3 -m pip install uv"),
        Finding(f"Java {version(java)} ({java})", version(java) > 0, "apt install openjdk-17-jre-headless"),
        Finding(f"disk: {free // 1024**2} MiB free", free >= SPACE, f"free 1 GiB at {folder}"),
        Finding(
            f"port {port}" + (" (this portal's)" if ours else ""),
            ours or is_free(port),
            f"./portal up --port {port + 1}",
        ),
        Finding("Kafka and PostgreSQL downloaded", here, "./portal up", needed=False),
        Finding(
            "kcat (looking into topics)", shutil.which("kcat") is not None, "apt install kcat", needed=False
        ),
        Finding(
            "chromium (tests of the web pages)",
            shutil.which("chromium") is not None,
            "apt install chromium",
            needed=False,
        ),
    ]
