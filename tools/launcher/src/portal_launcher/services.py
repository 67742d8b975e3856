"""Which services does a portal consist of, and what is each told through its environment?"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from portal_launcher.layout import Layout
from portal_launcher.mailbox import smtp_url
from portal_launcher.run_file import Run
from portal_launcher.supervise import Program
from portal_secrets.files import PUBLIC_KEY, SIGNING_KEY

MAIL_FROM = "Zdrovia <no-reply@zdrovia.example>"
OF_ONE_SERVICE = ("DATABASE_URL", "SMTP_URL")
"""Beginnings of variables whose values, passwords included, are not for every service."""


@dataclass(frozen=True)
class Service:
    """One service: the secrets it gets, the services it calls, whether people reach it, whether it mails."""

    name: str
    secrets: Mapping[str, str] = field(default_factory=dict)
    calls: tuple[str, ...] = ()
    public: bool = False
    mails: bool = False


SERVICES: tuple[Service, ...] = (
    Service(
        "identity",
        secrets={
            "KEY_ENCRYPTION_KEY_FILE": "key-encryption-key",
            "REQUEST_KEY_FILE": "request-key-identity",
            "UNIQUENESS_KEY_FILE": "uniqueness-key",
            "GATEWAY_PUBLIC_KEY_FILE": PUBLIC_KEY,
        },
        mails=True,
    ),
    Service(
        "booking",
        secrets={
            "KEY_ENCRYPTION_KEY_FILE": "key-encryption-key",
            "REQUEST_KEY_FILE": "request-key-booking",
            "GATEWAY_PUBLIC_KEY_FILE": PUBLIC_KEY,
        },
    ),
    Service(
        "gateway",
        secrets={"GATEWAY_SIGNING_KEY_FILE": SIGNING_KEY},
        calls=("identity", "booking"),
        public=True,
    ),
)


@dataclass(frozen=True)
class Wiring:
    """What the services of one portal need to find each other."""

    root: Path
    logs: Path
    secrets: Path
    bootstrap_servers: str
    database_urls: Mapping[str, str]
    ports: Mapping[str, int]
    public_url: str
    smtp_url: str

    def program(self, service: Service, role: str, *, name: str) -> Program:
        """Describe one process of a service."""
        return Program(
            name=name,
            command=[sys.executable, "-m", service.name, role],
            environment=self.environment(service, name),
            log=self.logs / f"{name}.log",
            directory=self.root,
            port=self.ports.get(name),
            http=name in self.ports,
            metrics_port=self.ports.get(metrics_of(name)),
        )

    def environment(self, service: Service, name: str) -> dict[str, str]:
        """Tell a process what it needs and nothing of the others' databases."""
        told = {key: value for key, value in os.environ.items() if not key.startswith(OF_ONE_SERVICE)}
        told |= {
            "DATABASE_URL": self.database_urls[service.name],
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(self.ports.get(name, 0)),
            "PYTHONUNBUFFERED": "1",
        }
        if metrics_of(name) in self.ports:
            told["METRICS_PORT"] = str(self.ports[metrics_of(name)])
        told |= {key: str(self.secrets / file) for key, file in service.secrets.items()}
        told |= {
            f"{called.upper()}_URL": f"http://127.0.0.1:{self.ports[called]}" for called in service.calls
        }
        if service.public or service.mails:
            told["PUBLIC_URL"] = self.public_url
        if service.mails:
            told |= {"SMTP_URL": self.smtp_url, "MAIL_FROM": os.environ.get("MAIL_FROM", MAIL_FROM)}
        return told


def metrics_of(name: str) -> str:
    """Name the port where a process shows its figures."""
    return f"{name}-metrics"


def wiring_of(run: Run, layout: Layout) -> Wiring:
    """Wire the services of a portal that runs, or is about to."""
    return Wiring(
        root=layout.root,
        logs=layout.logs,
        secrets=layout.secrets,
        bootstrap_servers=run.bootstrap_servers,
        database_urls=run.database_urls,
        ports=run.ports,
        public_url=run.url,
        smtp_url=smtp_url(run.ports),
    )


def process_names(services: Sequence[Service], *, split: bool) -> dict[str, tuple[Service, str]]:
    """Map each process to its service and role.

    The process that answers a service's HTTP has the service's name, split or not.
    """
    named: dict[str, tuple[Service, str]] = {}
    for service in services:
        named[service.name] = (service, "app" if split else "all")
        if split:
            named[f"{service.name}-worker"] = (service, "worker")
    return named
