"""Does docker-compose.yml keep what every container of ours promises?"""

from __future__ import annotations

from typing import Any

OURS = ("portal-booking", "portal-gateway", "portal-identity", "portal-demo", "portal-mailbox")
DOORS = {"gateway-app", "mailbox", "kafka"}
"""What people, and analysts, reach from this machine."""


def test_given_our_containers_when_described_then_read_only_and_without_privileges(
    configuration: dict[str, Any],
) -> None:
    ours = {name: each for name, each in configuration["services"].items() if each["image"] in OURS}
    assert len(ours) == 12
    for name, each in ours.items():
        assert each.get("read_only") is True, name
        assert each.get("cap_drop") == ["ALL"], name
        assert each.get("security_opt") == ["no-new-privileges:true"], name
        assert "user" not in each, name
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
        held = {secret["source"] for secret in each.get("secrets", ())}
        passwords = {secret.removeprefix("password-") for secret in held if secret.startswith("password-")}
        service = name.split("-")[0]
        if each["image"] in OURS[:3] and name != "topics":
            assert passwords == {service}, name
        for key, value in each.get("environment", {}).items():
            assert key.endswith("_FILE") or "PASSWORD" not in key, name
            assert "://" not in str(value) or ":" not in str(value).split("://")[1].rpartition("@")[0], key
    signing = [
        name
        for name, each in configuration["services"].items()
        if "gateway-signing-key.pem" in {secret["source"] for secret in each.get("secrets", ())}
    ]
    assert all(name.startswith("gateway-") for name in signing)
