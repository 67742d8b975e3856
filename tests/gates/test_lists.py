"""Does each list that is written by hand name everything that it is a list of?"""

import re
import tomllib
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any, Final

import pytest
from tests.services import SERVICES

from portal_chassis.settings import Settings
from portal_contract.operations import Operation, public_operations, service_operations, shape
from portal_events.topics import OWNERS
from portal_secrets import containers

ROOT: Final = Path(__file__).resolve().parents[2]
PROJECTS: Final = {path.parent: tomllib.loads(path.read_text()) for path in ROOT.glob("*/*/pyproject.toml")}
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())
ON_DISK: Final = {folder.name for folder in PROJECTS if folder.parent.name == "services"}
READMES: Final = [str(path.relative_to(ROOT)) for each in PROJECTS for path in each.glob("README.md")]


def text(file: str) -> str:
    return (ROOT / file).read_text()


def require_all(file: str, wanted: Iterable[str], named: Iterable[str]) -> None:
    missing = sorted(set(wanted) - set(named))
    assert not missing, f"{file} does not name {', '.join(missing)}"


@pytest.mark.parametrize("readme", READMES)
def test_given_a_readme_when_compared_with_its_package_then_each_part_is_named_and_there(readme: str) -> None:
    [package] = (ROOT / readme).parent.glob("src/*")
    parts = {path.parent.name for path in package.glob("*/*.py")}
    if not readme.startswith("services/"):
        parts |= {path.stem for path in package.glob("[!_]*.py")}
    require_all(readme, parts, re.findall(r"`(\w+)(?:\.py|/)?`", text(readme)))
    rows = "".join(re.findall(r"^\| (`.*?) \|", text(readme), re.MULTILINE))
    listed = re.findall(r"`([a-z][\w.]+)/?`", rows)
    gone = [name for name in listed if not {*package.rglob(name), *package.rglob(f"{name}.py")}]
    assert not gone, f"{readme} names {gone}, which is not there"


@pytest.mark.parametrize("service", SERVICES)
def test_given_a_services_readme_when_compared_with_its_app_then_each_operation_is_named(
    service: str,
) -> None:
    own = [one.own for one in public_operations() if not one.forwarded]
    operations: list[Operation] = [one for one in (*own, *service_operations()) if one.app == service]
    assert operations
    readme = f"services/{service}/README.md"
    named = re.findall(r"`([A-Z]+ /[^`]*)`", text(readme))
    require_all(readme, (f"{one.method} {shape(one.path)}" for one in operations), map(shape, named))


@pytest.mark.parametrize("service", SERVICES)
def test_given_a_services_readme_when_compared_with_its_settings_then_each_variable_is_named(
    service: str,
) -> None:
    [settings] = [cls for cls in Settings.__subclasses__() if cls.__module__ == f"{service}.settings"]
    readme = f"services/{service}/README.md"
    require_all(readme, map(str.upper, settings.model_fields), re.findall(r"\b[A-Z_]+\b", text(readme)))


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("tools/launcher/src/portal_launcher/services.py", SERVICES),
        ("tools/secrets/src/portal_secrets/containers.py", containers.SERVICES),
        ("docker-compose.yml", re.findall(r"image: portal-(\w+)", text("docker-compose.yml"))),
        (
            "docs/architecture.md",
            re.findall(r"^\| `services/(\w+)` ", text("docs/architecture.md"), re.MULTILINE),
        ),
    ],
)
def test_given_the_services_when_a_file_lists_them_then_it_names_each(
    file: str, named: Iterable[str]
) -> None:
    require_all(file, ON_DISK, named)


def test_given_the_services_that_keep_a_log_when_topics_are_made_then_each_has_its_own() -> None:
    keeping = {name for name, service in SERVICES.items() if service.keeps_log}
    require_all("shared/events/src/portal_events/topics.py", keeping, OWNERS)


def test_given_the_services_when_imports_are_checked_then_each_is_in_the_contracts() -> None:
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    for service in ON_DISK:
        wanted = {"independent-services", "layers", "tools-ship-nothing", f"slices-of-{service}"}
        if list(ROOT.glob(f"services/{service}/src/*/*/decide.py")):
            wanted.add("pure-decisions")
        naming = {each["id"] for each in contracts if re.search(rf"\b{service}\b", str(each))}
        require_all(f"pyproject.toml, where {service} is checked,", wanted, naming)


def test_given_the_packages_when_types_and_imports_are_checked_then_each_is_looked_at() -> None:
    packages = {path for folder in PROJECTS for path in folder.glob("src/*") if path.is_dir()}
    tools = PROJECT["tool"]
    require_all(
        "root_packages of pyproject.toml", {p.name for p in packages}, tools["importlinter"]["root_packages"]
    )
    sources = {str(path.parent.relative_to(ROOT)) for path in packages}
    require_all("mypy_path of pyproject.toml", sources, tools["mypy"]["mypy_path"])


def test_given_the_front_page_when_compared_with_the_folders_then_each_is_named() -> None:
    page = text("README.md").partition("## How it is built")[2]
    tests = {path.parent.name for path in ROOT.glob("tests/*/test_*.py")}
    require_all("README.md", tests | {folder.name for folder in PROJECTS}, re.findall(r"\w+", page))


def test_given_what_is_depended_on_when_the_page_is_read_then_each_package_is_named() -> None:
    own = {project["project"]["name"] for project in PROJECTS.values()}
    lists = [project["project"].get("dependencies", []) for project in PROJECTS.values()]
    each = chain(*lists, PROJECT["dependency-groups"]["dev"])
    wanted = {re.split(r"[^\w-]", one)[0] for one in each} - own
    page = "docs/dependencies.md"
    require_all(page, wanted, re.findall(r"[\w-]+", text(page)))


def test_given_the_figures_when_the_page_for_operators_is_read_then_each_is_named() -> None:
    chassis = "shared/chassis/src/portal_chassis"
    code = text(f"{chassis}/metrics.py") + text(f"{chassis}/vital_metrics.py")
    page = text("docs/operations.md")
    named = re.findall(r"`(portal_\w+?)(?:_total|_info)?`", page)
    require_all("docs/operations.md", re.findall(r'"(portal_\w+?)(?:_total|_info)?"', code), named)
