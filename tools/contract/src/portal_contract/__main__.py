"""How is the contract made, or compared? `python -m portal_contract --write|--check`."""

from __future__ import annotations

import argparse
import sys

from portal_contract.golden import COMMAND, ROOT, stale, write


def main() -> None:
    """Write the generated files, or exit 1 when one of them is out of date."""
    parser = argparse.ArgumentParser(prog="python -m portal_contract")
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--write", action="store_true", help="write the contract and its pages")
    wanted.add_argument("--check", action="store_true", help="fail when they are not what the apps say")
    if parser.parse_args().write:
        write()
    elif old := stale():
        names = ", ".join(str(path.relative_to(ROOT)) for path in old)
        sys.exit(f"out of date: {names}; run {COMMAND}")


if __name__ == "__main__":
    main()
