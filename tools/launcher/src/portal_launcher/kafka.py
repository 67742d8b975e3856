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
from dataclasses import dataclass
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
class Kafka:
    """One broker: its folder, its ports, its jars and its Java."""

    folder: Path
    port: int
    controller_port: int
    jars: list[Path]
    java: str

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
        listeners = f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}"
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self.controller_port}",
            "listeners": listeners,
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
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
            "group.initial.rebalance.delay.ms": "0",
            "log.cleaner.dedupe.buffer.size": "16777216",
            "auto.create.topics.enable": "false",
        }
        return "".join(f"{key}={value}\n" for key, value in settings.items())

    @property
    def _settings(self) -> str:
        return str(self.folder / "server.properties")


async def accepts(port: int) -> bool:
    """Tell whether something accepts connections at a loopback port."""
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        return True
    return False
