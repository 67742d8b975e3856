"""How does one real Kafka broker run on this machine?

KRaft, one node, loopback only; a small heap and the quick compiler, since a laptop's load is small.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from portal_launcher.faults import DID_NOT_START, Fault
from portal_launcher.supervise import Program

CLUSTER_ID = "PatientPortalLocal001A"  # fixed: the data folder belongs to one portal anyway
JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xms96m", "-Xmx256m", "-XX:+ExitOnOutOfMemoryError")

LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


@dataclass(frozen=True)
class Door:
    """A further listener: where the broker listens, and the port at which clients of it are told to come."""

    port: int
    advertised: int


NO_DOORS: Mapping[str, Door] = types.MappingProxyType({})


@dataclass(frozen=True)
class Kafka:
    """One broker: its folder, its ports, its jars and its Java. `doors`: by name, in capitals."""

    folder: Path
    port: int
    controller_port: int
    jars: list[Path]
    java: str
    doors: Mapping[str, Door] = field(default_factory=dict)

    @property
    def bootstrap_servers(self) -> str:
        """Where clients begin."""
        return f"127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        """The log segments."""
        return self.folder / "data"

    def prepare(self) -> None:
        """Write the settings and format the data folder once."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / "log4j2.properties").write_text(LOGGING)
        (self.folder / "server.properties").write_text(self.properties())
        if (self.data / "meta.properties").exists():
            return
        shutil.rmtree(self.data, ignore_errors=True)
        arguments = ["format", "--standalone", f"--cluster-id={CLUSTER_ID}", "-c", self._settings]
        result = subprocess.run(  # noqa: S603 - a fixed command
            self.command("kafka.tools.StorageTool", *arguments), capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            words = (result.stdout + result.stderr).strip().splitlines()
            raise Fault(
                DID_NOT_START, f"Kafka's folder {self.data} could not be formatted: {(words or ['?'])[-1]}"
            )

    def program(self, log: Path) -> Program:
        """Describe the broker's process."""
        return Program(
            name="kafka",
            command=self.command("kafka.Kafka", self._settings),
            environment=dict(os.environ),
            log=log,
            directory=self.folder,
            stop_signal=signal.SIGTERM,
            port=self.port,
        )

    def command(self, main_class: str, *arguments: str) -> list[str]:
        """Build a Java command line over the verified jars."""
        classpath = os.pathsep.join(map(str, self.jars))
        logging = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"
        return [self.java, *JVM, logging, "-cp", classpath, main_class, *arguments]

    def properties(self) -> str:
        """Write server.properties."""
        inside = {"PLAINTEXT": self.port, "CONTROLLER": self.controller_port}
        listening = inside | {name: door.port for name, door in self.doors.items()}
        advertised = inside | {name: door.advertised for name, door in self.doors.items()}
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self.controller_port}",
            "listeners": _places(listening),
            "advertised.listeners": _places(advertised),
            "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in listening),
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.data),
            "offsets.topic.num.partitions": "1",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.num.partitions": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # A killed broker comes back as a stranger, and is let in once its former self has timed out.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            "group.initial.rebalance.delay.ms": "0",
            "log.cleaner.dedupe.buffer.size": "16777216",
            "auto.create.topics.enable": "false",
        }
        return "".join(f"{key}={value}\n" for key, value in settings.items())

    @property
    def _settings(self) -> str:
        return str(self.folder / "server.properties")


def _places(listeners: Mapping[str, int]) -> str:
    return ",".join(f"{name}://127.0.0.1:{port}" for name, port in listeners.items())


async def accepts(port: int) -> bool:
    """Tell whether something accepts connections at a loopback port."""
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        return True
    return False
