"""How does one real PostgreSQL run on this machine, for root and for ordinary users alike?

PostgreSQL refuses to run as root, so root runs it as `nobody`. That user cannot enter root's home folder, so
binaries and data then lie under /var/tmp, in folders of root's own making; the state holds a link to them.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from portal_launcher.faults import BROKEN, DID_NOT_START, Fault
from portal_launcher.supervise import Program
from portal_secrets.files import password, write_private

OUTSIDE = Path("/var/tmp")  # noqa: S108 - every folder made there is checked to be root's own
UNPRIVILEGED = "nobody"
TERSE_LOG = {  # no row, parameter or statement text, which may be personal data, reaches the log
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_line_prefix": "%m [%p] ",
}


@dataclass(frozen=True)
class Postgres:
    """One server: where its binaries and data lie, and who runs it."""

    binaries: Path
    folder: Path
    port: int
    secrets: Path
    overrides: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def user(self) -> str | None:
        """Who runs the server; None means whoever runs the launcher."""
        return UNPRIVILEGED if os.geteuid() == 0 else None

    def url(self, role: str, database: str) -> str:
        """Build the address that a role connects to a database with."""
        account = f"{role}:{password(self.secrets, role)}"
        return f"postgresql://{account}@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def prepare(self) -> None:
        """Create the cluster once."""
        if (self.data / "PG_VERSION").exists():
            return
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700)
        first = self.folder / "first-password"
        write_private(first, password(self.secrets, "postgres"))
        if self.user:
            owner = pwd.getpwnam(self.user)
            os.chown(self.data, owner.pw_uid, owner.pw_gid)
            os.chown(first, owner.pw_uid, owner.pw_gid)
        command = [
            str(self.binaries / "bin" / "initdb"),
            "-D",
            str(self.data),
            "-U",
            "postgres",
            "-E",
            "UTF8",
        ]
        command += ["--locale-provider=icu", "--icu-locale=pl-PL", "--locale=C", "--auth=scram-sha-256"]
        command += [f"--pwfile={first}", *(["--no-sync"] if self.overrides.get("fsync") == "off" else [])]
        result = subprocess.run(  # noqa: S603 - a fixed command
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env=environment(),
            **self._as_user(),
        )
        first.unlink()
        if result.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            words = (result.stdout + result.stderr).strip().splitlines()
            raise Fault(DID_NOT_START, f"initdb could not create {self.data}: {(words or ['?'])[-1]}")

    def program(self, log: Path) -> Program:
        """Describe the server's process; SIGINT is PostgreSQL's fast shutdown."""
        command = [str(self.binaries / "bin" / "postgres"), "-D", str(self.data)]
        for key, value in self.settings().items():
            command += ["-c", f"{key}={value}"]
        return Program(
            name="postgres",
            command=command,
            environment=environment(),
            log=log,
            directory=self.folder,
            stop_signal=signal.SIGINT,
            user=self.user,
            port=self.port,
        )

    def settings(self) -> dict[str, str]:
        """Choose the server's settings; it is durable, as PostgreSQL is by itself, unless overridden."""
        return {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "password_encryption": "scram-sha-256",
            "shared_buffers": "128MB",
            "max_connections": "200",
            "max_wal_size": "2GB",
            "min_wal_size": "256MB",
            "checkpoint_timeout": "15min",
            "checkpoint_completion_target": "0.9",
            "jit": "off",
            **TERSE_LOG,
            **self.overrides,
        }

    def _as_user(self) -> dict[str, Any]:
        return {"user": self.user, "group": "nogroup", "extra_groups": []} if self.user else {}

    async def is_ready(self) -> bool:
        """Tell whether the server answers."""
        import asyncpg  # noqa: PLC0415 - slow, and not needed by most subcommands

        try:
            connection = await asyncpg.connect(self.url("postgres", "postgres"), timeout=5)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            return False
        await connection.close()
        return True

    async def create_database(self, name: str) -> str:
        """Make a role that owns a database of the same name; return its address."""
        import asyncpg  # noqa: PLC0415 - see is_ready

        connection = await asyncpg.connect(self.url("postgres", "postgres"), timeout=10)
        try:
            quoted = password(self.secrets, name)  # hexadecimal: needs no quoting
            if await connection.fetchval("select 1 from pg_roles where rolname = $1", name):
                await connection.execute(f"alter role \"{name}\" login password '{quoted}'")
            else:
                await connection.execute(f"create role \"{name}\" login password '{quoted}'")
            if not await connection.fetchval("select 1 from pg_database where datname = $1", name):
                await connection.execute(f'create database "{name}" owner "{name}"')
                await connection.execute(f'revoke connect on database "{name}" from public')
        finally:
            await connection.close()
        return self.url(name, name)


def environment() -> Mapping[str, str]:
    """Give PostgreSQL an environment without the caller's PG variables and locale."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def data_folder(state: Path, digest: str) -> Path:
    """Choose and make the folder that holds the data folder.

    For root it lies outside the state; a note in both says that they belong together, so that data whose
    state was deleted are not met again with other passwords.
    """
    inside = state / "postgres"
    if os.geteuid() != 0:
        inside.mkdir(mode=0o700, exist_ok=True)
        return inside
    outside = OUTSIDE / f"portal-{digest}"
    note = state / "postgres.id"
    if not note.exists():
        write_private(note, secrets.token_hex(16))
    make_own(outside)
    theirs = outside / "state.id"
    if not theirs.exists() or theirs.read_text() != note.read_text():
        shutil.rmtree(outside)
        make_own(outside)
        write_private(theirs, note.read_text())
    if inside.is_symlink():
        inside.unlink()
    inside.symlink_to(outside)
    return outside


def remove_data(state: Path, digest: str) -> None:
    """Remove the data that lie outside the state."""
    outside = OUTSIDE / f"portal-{digest}"
    if os.geteuid() == 0 and outside.exists() and (state / "postgres.id").exists():
        shutil.rmtree(outside)


def make_own(folder: Path) -> None:
    """Make a folder of root's in a place where anybody may write; refuse one that somebody else put there."""
    folder.mkdir(mode=0o711, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise Fault(BROKEN, f"{folder} is not a folder of this user's; remove it and run ./portal up again.")
    folder.chmod(0o711)


def unpack(jar: Path, dependencies: Path) -> Path:
    """Unpack the verified binaries once and return their folder."""
    with jar.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    if os.geteuid() == 0:
        parent = OUTSIDE / "portal-postgresql"
        make_own(parent)
    else:
        parent = dependencies
    folder = parent / f"postgresql-{digest}"
    if folder.exists():
        return folder
    work = parent / f".postgresql-{digest}-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        with zipfile.ZipFile(jar) as archive:
            inner = next(name for name in archive.namelist() if name.endswith(".txz"))
            with archive.open(inner) as packed, tarfile.open(fileobj=packed, mode="r:xz") as files:
                # Debian 12's Python 3.11.2 has no filters yet; the archive's digest was verified.
                if hasattr(tarfile, "data_filter"):
                    files.extraction_filter = tarfile.data_filter
                files.extractall(work)  # noqa: S202 - see above
        work.chmod(0o755)
        if not folder.exists():
            work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder
