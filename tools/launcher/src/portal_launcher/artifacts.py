"""How do Kafka's jars and PostgreSQL's binaries come to this machine, and are they the right ones?

jgo resolves and downloads what `locked/<name>/jgo.toml` asks for; every file is then compared with the
SHA-256 in the committed `jgo.lock.toml`, at the download and again before each use.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from portal_launcher.faults import BROKEN, NO_NETWORK, NO_SPACE, Fault

DEFINITIONS = Path(__file__).with_name("locked")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")  # whom the machine trusts, where it says so
SPACE_SIGNS = ("No space left", "Errno 28", "quota exceeded")


def locked_files(name: str) -> dict[str, str]:
    """Map each file name of an artifact set to its SHA-256."""
    lock = tomllib.loads((DEFINITIONS / name / "jgo.lock.toml").read_text())
    return {
        f"{entry['artifactId']}-{entry['version']}.jar": entry["sha256"] for entry in lock["dependencies"]
    }


def fetch(name: str, dependencies: Path) -> list[Path]:
    """Return the verified files of an artifact set, downloading them when they are not here yet."""
    folder = dependencies / f"{name}-{lock_digest(name)}"
    if not folder.exists():
        download(name, dependencies, folder)
    files = [folder / file for file in locked_files(name)]
    verify(name, files)
    return files


def is_here(name: str, dependencies: Path) -> bool:
    """Tell whether an artifact set was downloaded before."""
    return (dependencies / f"{name}-{lock_digest(name)}").exists()


def lock_digest(name: str) -> str:
    """Name the locked set in a few characters, so that a new lock means a new folder."""
    return hashlib.sha256((DEFINITIONS / name / "jgo.lock.toml").read_bytes()).hexdigest()[:12]


def download(name: str, dependencies: Path, folder: Path) -> None:
    """Resolve and download beside the final place, verify, then move there."""
    work = dependencies / f".{name}-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        shutil.copy(DEFINITIONS / name / "jgo.toml", work / "jgo.toml")
        resolve(name, work)
        files = {path.name: path for path in (work / ".jgo").rglob("*.jar")}
        missing = sorted(set(locked_files(name)) - set(files))
        if missing:
            raise Fault(BROKEN, f"The download of {name} lacks {missing[0]}; run ./portal up again.")
        wanted = work / "verified"
        wanted.mkdir()
        for file in locked_files(name):
            files[file].rename(wanted / file)
        verify(name, [wanted / file for file in locked_files(name)])
        if not folder.exists():
            wanted.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def resolve(name: str, work: Path) -> None:
    """Let jgo download into the working folder, leaving nothing in the home folder."""
    command = [sys.executable, "-m", "jgo", "--ignore-config", "--resolver", "python", "--links", "copy"]
    command += ["--timeout", "60", "--color", "plain", "--repo-cache", str(work / "repository"), "sync"]
    environment = {**os.environ, "JGO_CACHE_DIR": str(work / "cache")}
    environment.pop("JGO_OFFLINE", None)
    if CERTIFICATES.exists():
        environment.setdefault("REQUESTS_CA_BUNDLE", str(CERTIFICATES))
    result = subprocess.run(  # noqa: S603 - a fixed command
        command,
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if result.returncode == 0:
        return
    said = result.stdout + result.stderr
    if any(sign in said for sign in SPACE_SIGNS):
        raise Fault(
            NO_SPACE, f"There is too little disk space at {work.parent} for {name}; free 1 GiB and run again."
        )
    words = [line.strip() for line in said.splitlines() if line.strip()]
    raise Fault(
        NO_NETWORK,
        f"{name} could not be downloaded, which the first run needs; run ./portal up again once the network"
        f" is there (jgo: {words[-1][:200] if words else 'no answer'}).",
    )


def verify(name: str, files: list[Path]) -> None:
    """Refuse files that are not byte for byte the locked ones."""
    locked = locked_files(name)
    for file in files:
        with file.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
        if found != locked[file.name]:
            raise Fault(
                BROKEN,
                f"{file} is not the locked file (SHA-256 differs); delete its folder, then ./portal up.",
            )
