"""How do tests get PostgreSQL and Kafka as containers that nothing remains of?

Their data lies in a folder of this machine, so that a test can look at the bytes.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer, Reaper
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from portal_launcher.faults import DID_NOT_START, NO_DOCKER, Fault
from portal_launcher.layout import ROOT
from portal_launcher.postgres import TERSE_LOG

POSTGRES = "postgres:17"
KAFKA = "apache/kafka:4.1.1"

_PORT = 9092
_STARTER = "/tmp/start.sh"  # noqa: S108  of the container
_SETTINGS = {"max_connections": "200", "max_wal_size": "2GB", "jit": "off", "logging_collector": "on"}
_INITDB = "--encoding=UTF8 --locale-provider=icu --icu-locale=pl-PL --locale=C"
_PATIENCE = 120  # seconds
_NOT_ROOT = None if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}"
"""Whose PostgreSQL's files are to be. Its server refuses root, which its image stops being by itself."""


class ApacheKafka(DockerContainer):
    """One broker of the image apache/kafka, in KRaft mode, which clients of this machine reach.

    What it advertises is known when Docker has chosen the port: until then the container waits for a script.
    """

    def __init__(self, image: str, data: Path, logs: Path) -> None:
        super().__init__(image, user=f"{os.geteuid()}:{os.getegid()}")
        self.with_exposed_ports(_PORT)
        self.with_volume_mapping(data, "/data", "rw").with_volume_mapping(logs, "/opt/kafka/logs", "rw")
        self.with_envs(
            KAFKA_NODE_ID="1",
            KAFKA_PROCESS_ROLES="broker,controller",
            KAFKA_LISTENERS=f"OUTSIDE://:{_PORT},INSIDE://:9094,CONTROLLER://:9093",
            KAFKA_LISTENER_SECURITY_PROTOCOL_MAP="OUTSIDE:PLAINTEXT,INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
            KAFKA_INTER_BROKER_LISTENER_NAME="INSIDE",
            KAFKA_CONTROLLER_LISTENER_NAMES="CONTROLLER",
            KAFKA_CONTROLLER_QUORUM_VOTERS="1@localhost:9093",
            KAFKA_LOG_DIRS="/data/logs",
            KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS="1",
            KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="1",
            KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS="1",
            KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR="1",
            KAFKA_TRANSACTION_STATE_LOG_MIN_ISR="1",
            KAFKA_SHARE_COORDINATOR_STATE_TOPIC_NUM_PARTITIONS="1",
            KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR="1",
            KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR="1",
            KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS="0",
            KAFKA_AUTO_CREATE_TOPICS_ENABLE="false",
            KAFKA_HEAP_OPTS="-Xms256m -Xmx512m",
        )
        self.with_command(["sh", "-c", f"until [ -f {_STARTER} ]; do sleep 0.1; done; exec bash {_STARTER}"])

    @property
    def bootstrap_servers(self) -> str:
        """Where clients begin."""
        return f"{self.get_container_host_ip()}:{self.get_exposed_port(_PORT)}"

    def start(self) -> Self:
        """Start the broker and wait until it serves."""
        super().start()
        advertised = f"OUTSIDE://{self.bootstrap_servers},INSIDE://localhost:9094"
        script = f"export KAFKA_ADVERTISED_LISTENERS={advertised}\nexec /etc/kafka/docker/run\n".encode()
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            described = tarfile.TarInfo(Path(_STARTER).name)
            described.size, described.mode = len(script), 0o755
            tar.addfile(described, io.BytesIO(script))
        self.get_wrapped_container().put_archive(str(Path(_STARTER).parent), archive.getvalue())
        served = LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(_PATIENCE)
        served.wait_until_ready(self)
        return self


def engine_answers() -> bool:
    """Tell whether there is a Docker engine that this user may use."""
    try:
        with contextlib.closing(docker.from_env(timeout=10)) as engine:
            return bool(engine.ping())
    except DockerException:
        return False


@contextlib.contextmanager
def throwaway_containers(overrides: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Run PostgreSQL, with settings of its own, and Kafka; say where they are and where their bytes lie.

    Raises Fault when there is no engine, an image cannot be had, or a server does not start.
    """
    if not engine_answers():
        raise Fault(NO_DOCKER, "No Docker engine answers; start one, or say PORTAL_TEST_BACKEND=local.")
    parent = ROOT / ".portal" / "test"
    parent.mkdir(parents=True, exist_ok=True)
    state = Path(tempfile.mkdtemp(prefix="containers-", dir=parent))
    data = {name: state / name for name in ("postgres", "kafka", "logs")}
    for folder in data.values():
        folder.mkdir()
    settings = [f"{name}={value}" for name, value in (_SETTINGS | TERSE_LOG | dict(overrides)).items()]
    password = secrets.token_hex(24)
    postgres = (
        PostgresContainer(POSTGRES, username="postgres", password=password, driver=None, user=_NOT_ROOT)
        .with_volume_mapping(data["postgres"], "/var/lib/postgresql/data", "rw")
        .with_env("POSTGRES_INITDB_ARGS", _INITDB)
        .with_command(["postgres", *(word for setting in settings for word in ("-c", setting))])
    )
    kafka = ApacheKafka(KAFKA, data["kafka"], data["logs"])
    try:
        with contextlib.ExitStack() as running:
            if not testcontainers_config.ryuk_disabled:
                # What removes the others if this process is killed: an image of its own.
                with _started(testcontainers_config.ryuk_image):
                    Reaper.get_instance()
            for container in (postgres, kafka):
                running.callback(container.stop)
                with _started(container.image):
                    container.start()
            yield {
                "PORTAL_TEST_DATABASE_URL": f"{postgres.get_connection_url()}?sslmode=disable",
                "PORTAL_TEST_KAFKA": kafka.bootstrap_servers,
                "PORTAL_TEST_STATE": str(state),
                "PORTAL_TEST_PG_DATA": str(data["postgres"]),
                "PORTAL_TEST_KAFKA_DATA": str(data["kafka"]),
            }
    finally:
        shutil.rmtree(state)


@contextlib.contextmanager
def _started(image: str) -> Iterator[None]:
    """Say in a sentence why a container of `image` did not start in the block."""
    try:
        yield
    except (ImageNotFound, APIError) as error:
        reason = error.explanation or str(error)
        raise Fault(
            DID_NOT_START,
            f"{image} cannot be had or started ({reason}); PORTAL_TEST_BACKEND=local needs none.",
        ) from error
    except TimeoutError as error:
        raise Fault(DID_NOT_START, f"{image} did not start within {_PATIENCE} s.") from error
