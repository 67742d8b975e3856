"""What does a benchmark say, to a person and to a program?"""

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path("bench/results")


@dataclass(frozen=True)
class Result:
    """One figure beside its floor, measured in the same run; None where there is nothing barer.

    `ratio`: figure / floor. `peers`: other figures of the run, by name. `goal`: in words; `met`: whether.
    """

    name: str
    figure: float
    unit: str
    floor: float | None
    goal: str
    met: bool
    peers: dict[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """How many times the floor."""
        return None if self.floor is None else round(self.figure / self.floor, 3)

    def write(self, folder: Path) -> Path:
        """Write <name>.json."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
        path.write_text(
            json.dumps(
                {
                    **asdict(self),
                    "ratio": self.ratio,
                    "machine": machine,
                    "at": datetime.now(UTC).isoformat(timespec="seconds"),
                },
                indent=2,
            )
            + "\n"
        )
        return path

    def show(self) -> None:
        """Print the figure, its floor and the ratio."""
        beside = "" if self.floor is None else f"; floor {self.floor:,.0f}; ratio {self.ratio}"
        print(f"\n{self.name}: {self.figure:,.0f} {self.unit}{beside}")
        for name, figure in self.peers.items():
            print(f"  {name}: {figure:,.2f}")
        print(f"  goal: {self.goal} -> {'met' if self.met else 'NOT MET'}")
