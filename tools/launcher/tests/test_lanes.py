"""How many lanes does a machine carry, and does each job run once, whatever becomes of another?"""

import asyncio
from pathlib import Path

import pytest

from portal_launcher.lanes import GIB, MOST, Lane, in_lanes, lanes_for, lanes_here, memory


@pytest.mark.parametrize(
    ("cores", "gib", "expected"),
    [
        (2, 24, (2, "2 cores")),
        (1, 24, (1, "one core")),
        (2, 4, (1, "4 GiB of memory")),
        (8, 2, (1, "2 GiB of memory")),
        (8, 16, (5, "16 GiB of memory")),
    ],
)
def test_given_cores_and_memory_then_as_many_lanes_as_both_carry_and_why(
    cores: int, gib: int, expected: tuple[int, str]
) -> None:
    assert lanes_for(cores, gib * GIB) == expected


def test_given_a_wish_then_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MOST, "3")
    assert lanes_here() == (3, "PORTAL_TEST_LANES=3")


@pytest.mark.parametrize(("limit", "expected"), [("max", 24), ("4294967296", 4), (None, 24)])
def test_given_a_limit_of_the_control_group_then_it_counts(
    tmp_path: Path, limit: str | None, expected: int
) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text(f"MemTotal: {24 * 1024**2} kB\nMemFree: 1 kB\n")
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    if limit is not None:
        (tmp_path / "sys/fs/cgroup/memory.max").write_text(limit + "\n")
    assert memory(tmp_path) == expected * GIB


async def test_given_more_jobs_than_lanes_when_run_then_each_once_and_never_two_in_a_lane() -> None:
    done: list[int] = []
    busy: set[int] = set()

    async def run(lane: Lane, job: int) -> None:
        assert lane.number not in busy
        busy.add(lane.number)
        await asyncio.sleep(0.001 * (job % 3))
        busy.discard(lane.number)
        done.append(job)

    await in_lanes(range(20), 3, run)
    assert sorted(done) == list(range(20))


async def test_given_a_job_that_raises_when_run_then_the_others_end_and_it_is_told() -> None:
    async def run(_: Lane, job: int) -> None:
        if job == 0:
            raise RuntimeError("broken")
        await asyncio.sleep(60)

    with pytest.raises(ExceptionGroup) as raised:
        await in_lanes(range(5), 2, run)
    assert [str(error) for error in raised.value.exceptions] == ["broken"]
