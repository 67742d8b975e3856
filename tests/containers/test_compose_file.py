"""Does docker-compose.yml keep what every container of ours promises?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.services import SERVICES

from portal_launcher.containers import SECRETS
from portal_secrets.containers import READERS

IMAGES = {f"portal-{service}": service for service in SERVICES}
OURS = (*IMAGES, "portal-demo", "portal-mailbox", "portal-secrets")
POWERS = ["CHOWN", "DAC_OVERRIDE", "FOWNER"]
DOORS = {"gateway-app", "mailbox", "kafka"}
"""What people, and analysts, reach from this machine."""


def test_given_our_containers_when_described_then_read_only_and_without_privileges(
    configuration: dict[str, Any],
) -> None:
    ours = {name: each for name, each in configuration["services"].items() if each["image"] in OURS}
    assert len(ours) == 13
    for name, each in ours.items():
        assert each.get("read_only") is True, name
        assert each.get("cap_drop") == ["ALL"], name
        assert each.get("security_opt") == ["no-new-privileges:true"], name
        # Whoever makes the secrets is root, for the files to be the clone's owner's; it has no network.
        assert each.get("user") == ("0" if name == "secrets" else None), name
        assert each.get("cap_add", []) == (POWERS if name == "secrets" else []), name
        assert "privileged" not in each, name


def test_given_all_containers_when_described_then_only_three_are_reached_and_from_this_machine_alone(
    configuration: dict[str, Any],
) -> None:
    open_ = {name: each["ports"] for name, each in configuration["services"].items() if "ports" in each}
    assert set(open_) == DOORS
    assert {port["host_ip"] for ports in open_.values() for port in ports} == {"127.0.0.1"}
    assert all(int(port["published"]) < 32768 for ports in open_.values() for port in ports)
    assert not [name for name, each in configuration["services"].items() if "container_name" in each]


def test_given_each_service_when_described_then_it_gets_its_own_secrets_and_no_password_by_environment(
    configuration: dict[str, Any],
) -> None:
    for name, each in configuration["services"].items():
        mounts = [mount for mount in each.get("volumes", ()) if mount["type"] == "bind"]
        folders = [Path(mount["source"]) for mount in mounts if SECRETS in Path(mount["source"]).parents]
        if each["image"] in IMAGES and name != "topics":
            assert folders == [SECRETS / name.split("-")[0]], name
        assert all(mount.get("read_only") for mount in mounts) or name == "secrets", name
        for key, value in each.get("environment", {}).items():
            assert key.endswith("_FILE") or "PASSWORD" not in key, name
            assert "://" not in str(value) or ":" not in str(value).split("://")[1].rpartition("@")[0], key


def test_given_the_folders_of_secrets_then_no_service_knows_anothers_and_only_the_gateway_signs() -> None:
    for service in SERVICES:
        held = {name for name, readers in READERS.items() if service in readers}
        assert {name for name in held if name.startswith("password-")} == {f"password-{service}"}
    assert READERS["gateway-signing-key.pem"] == ("gateway",)
