"""How does a portal come up whose processes can be cut off, planted with bugs and given another clock?

`python -m portal_faults.launch SETTING` is `./portal up --split` with what the setting puts around it: the
product's own launcher, servers and processes, told of other addresses.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from portal_launcher.faults import Fault
from portal_launcher.kafka import Door
from portal_launcher.layout import layout_from_environment
from portal_launcher.progress import complain
from portal_launcher.services import SERVICES
from portal_launcher.supervise import Program
from portal_launcher.up import Options, Surroundings, up


@dataclass(frozen=True)
class Setting:
    """What is put around a portal.

    `doors`: for each service, the port at which Kafka listens for it alone, and the one that it is told of.
    `postgres`: for each service, the port at which it is told that PostgreSQL is.
    `environments`: further variables of a process by its name.
    """

    port: int
    seed: bool
    doors: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    postgres: Mapping[str, int] = field(default_factory=dict)
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def write(self, file: Path) -> None:
        """Write it for `launch`."""
        file.write_text(json.dumps(asdict(self)))

    def around(self, program: Program) -> Program:
        """Tell a process of a service what is told to it alone."""
        service = program.name.removesuffix("-worker")
        environment = {**program.environment, **self.environments.get(program.name, {})}
        if service in self.doors:
            environment["KAFKA_BOOTSTRAP_SERVERS"] = f"127.0.0.1:{self.doors[service][1]}"
        if service in self.postgres:
            address = environment["DATABASE_URL"]
            environment["DATABASE_URL"] = at_port(address, self.postgres[service])
        return replace(program, environment=environment)

    @property
    def surroundings(self) -> Surroundings:
        """Return what the launcher needs of it."""
        doors = {name.upper(): Door(*ports) for name, ports in self.doors.items()}
        return Surroundings(around=self.around, doors=doors)


def at_port(address: str, port: int) -> str:
    """Return an address at another port of this machine."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"))


def main() -> int:
    """Bring it up and stay in the foreground."""
    setting = Setting(**json.loads(Path(sys.argv[1]).read_text()))
    options = Options(setting.port, split=True, seed=setting.seed)
    try:
        return up(options, layout_from_environment(), SERVICES, setting.surroundings)
    except Fault as fault:
        complain(str(fault))
        return fault.code


if __name__ == "__main__":
    sys.exit(main())
