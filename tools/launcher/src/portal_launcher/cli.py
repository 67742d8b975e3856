"""Which subcommands does ./portal have, and with which options?"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence

from portal_launcher.bench import bench
from portal_launcher.containers import make_secrets
from portal_launcher.doctor import doctor
from portal_launcher.down import down
from portal_launcher.faults import Fault
from portal_launcher.gates import Selection, test
from portal_launcher.layout import layout_from_environment
from portal_launcher.logs import logs
from portal_launcher.operate import operate_at_once, operate_each, rebuild, restore
from portal_launcher.progress import complain
from portal_launcher.proofs import PROOFS
from portal_launcher.prove import prove
from portal_launcher.seed import SCALES, seed
from portal_launcher.status import status
from portal_launcher.up import Options, up

OPERATIONS = ("rebuild", "restore", "verify", "backup", "parked", "lag")
"""What a service does in a process of its own; further arguments go to it."""

USAGE = 2
"""The exit code of a command line that asks for nothing, as argparse's own."""


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    root = argparse.ArgumentParser(prog="./portal", description="The patient portal on this machine.")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = commands.add_parser("up", help="start everything and stay in the foreground")
    command.add_argument("--port", type=int, default=8080, help="the public port (8080)")
    command.add_argument("--public-url", help="the address people open, when something stands in front")
    command.add_argument(
        "--split", action="store_true", help="HTTP and background work in processes of their own"
    )
    command.add_argument("--no-seed", action="store_true", help="leave an empty portal empty")
    command.add_argument("--scale", choices=SCALES, help="how much demo data an empty portal gets (small)")

    command = commands.add_parser("down", help="stop what runs")
    command.add_argument("--purge", action="store_true", help="remove all of its data as well")

    commands.add_parser("status", help="what runs and whether it is ready")

    command = commands.add_parser("logs", help="the end of a process's log")
    command.add_argument("service", help="identity, booking, gateway, kafka, postgres, ...")
    command.add_argument("-f", "--follow", action="store_true", help="go on printing")

    command = commands.add_parser("seed", help="write the demo data into a running, empty portal")
    command.add_argument("--scale", choices=SCALES, help="how much of them (small)")

    commands.add_parser("secrets", help="make what docker compose reads keys and passwords from")

    command = commands.add_parser("rebuild", help="build a view anew from Kafka while it goes on serving")
    command.add_argument("view", metavar="SERVICE/VIEW")

    command = commands.add_parser("restore", help="bring a service's store and views back from Kafka")
    command.add_argument("service")

    command = commands.add_parser("verify", help="compare store, topic and views")
    command.add_argument("service", nargs="?", help="one service only")

    command = commands.add_parser("backup", help="save what Kafka does not hold, and the store")
    command.add_argument("service", nargs="?", help="one service only")

    command = commands.add_parser("parked", help="events that a view could not apply")
    command.add_argument("action", choices=("list", "show", "replay", "discard"))
    command.add_argument("service", nargs="?", help="one service only")

    command = commands.add_parser("lag", help="how far relays and views are behind")
    command.add_argument("service", nargs="?", help="one service only")

    command = commands.add_parser("doctor", help="what this machine lacks")
    command.add_argument("--port", type=int, default=8080, help="the public port to look at (8080)")

    command = commands.add_parser("test", help="all gates, or one part; further arguments go to pytest")
    part = command.add_mutually_exclusive_group()
    part.add_argument("--unit", action="store_const", const=Selection.UNIT, dest="part", help="no servers")
    part.add_argument(
        "--changed",
        action="store_const",
        const=Selection.CHANGED,
        dest="part",
        help="what was changed since the last commit can break",
    )
    part.add_argument(
        "--e2e", action="store_const", const=Selection.E2E, dest="part", help="the whole portal"
    )
    part.add_argument(
        "--mutants", action="store_const", const=Selection.MUTANTS, dest="part", help="planted bugs"
    )
    part.add_argument(
        "--containers",
        action="store_const",
        const=Selection.CONTAINERS,
        dest="part",
        help="images and compose",
    )

    command = commands.add_parser("bench", help="measure; further arguments go to the benchmark")
    command.add_argument("name", help="which one")

    command = commands.add_parser("prove", help="promises kept under faults; further arguments go to pytest")
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("name", nargs="?", help=", ".join(PROOFS))
    which.add_argument("--all", action="store_true", help="all of them, one after another")
    command.add_argument("--full", action="store_true", help="at full size, which takes long")
    command.add_argument("--mutants", action="store_true", help="plant its bugs: each must be caught")
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code."""
    described = parser()
    given = sys.argv[1:] if arguments is None else arguments
    if not given:
        described.print_help()
        return USAGE
    options, rest = described.parse_known_args(given)
    if rest and options.command not in (*OPERATIONS, "test", "bench", "prove"):
        described.error(f"unknown argument: {rest[0]}")
    try:
        return run(options, rest)
    except Fault as fault:
        complain(str(fault))
        return fault.code
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130


def run(options: argparse.Namespace, rest: list[str]) -> int:
    """Hand over to the subcommand's module."""
    layout = layout_from_environment()
    asked: dict[str, Callable[[], int]] = {
        "up": lambda: up(
            Options(
                options.port,
                options.public_url,
                split=options.split,
                seed=not options.no_seed,
                scale=options.scale,
            ),
            layout,
        ),
        "down": lambda: down(layout, purge=options.purge),
        "status": lambda: status(layout),
        "logs": lambda: logs(layout, options.service, follow=options.follow),
        "seed": lambda: seed(layout, options.scale),
        "secrets": make_secrets,
        "doctor": lambda: doctor(layout, options.port),
        "rebuild": lambda: rebuild(layout, options.view, rest),
        "restore": lambda: restore(layout, options.service, rest),
        "verify": lambda: operate_each(layout, options.service, ["verify", *rest]),
        "backup": lambda: operate_each(layout, options.service, ["backup", *rest]),
        "parked": lambda: operate_each(layout, options.service, ["parked", options.action, *rest]),
        "lag": lambda: operate_at_once(layout, options.service, ["lag", *rest]),
        "test": lambda: test(options.part or Selection.ALL, rest),
        "bench": lambda: bench(options.name, rest),
        "prove": lambda: prove(
            list(PROOFS) if options.all else [options.name], rest, full=options.full, mutants=options.mutants
        ),
    }
    return asked[options.command]()
