"""Jobs of one booking one after another, of different bookings side by side."""

from __future__ import annotations

import asyncio

from massage_link.worker.lanes import Job, Lanes


class Jobs:
    """Jobs that begin and end when they are told to."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    def job(self, name: str) -> Job:
        self.gates[name] = asyncio.Event()

        async def run() -> None:
            self.begun.append(name)
            await self.gates[name].wait()
            self.ended.append(name)

        return run


async def settled() -> None:
    """Let every task run as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


def lanes(most_waiting: int = 100) -> Lanes:
    faults: list[BaseException] = []
    return Lanes(most_waiting=most_waiting, on_fault=faults.append)


async def test_jobs_of_one_key_wait_for_each_other_and_those_of_others_do_not() -> None:
    jobs, some = Jobs(), lanes()
    for name in ("a1", "a2", "b1"):
        await some.put(name[0], jobs.job(name))
    await settled()
    assert jobs.begun == ["a1", "b1"]
    jobs.gates["a1"].set()
    await settled()
    assert jobs.begun == ["a1", "b1", "a2"]
    for gate in jobs.gates.values():
        gate.set()
    assert await some.drain() == 0
    assert some.in_hand == 0


async def test_a_full_house_makes_the_next_job_wait() -> None:
    jobs, some = Jobs(), lanes(most_waiting=2)
    await some.put("a", jobs.job("a1"))
    await some.put("a", jobs.job("a2"))
    third = asyncio.create_task(some.put("b", jobs.job("b1")))
    await settled()
    assert not third.done()
    jobs.gates["a1"].set()
    await settled()
    assert third.done()
    assert jobs.begun == ["a1", "a2", "b1"]
    for gate in jobs.gates.values():
        gate.set()
    await some.drain()


async def test_draining_finishes_what_runs_and_begins_nothing() -> None:
    jobs, some = Jobs(), lanes()
    for name in ("a1", "a2", "b1"):
        await some.put(name[0], jobs.job(name))
    await settled()
    draining = asyncio.create_task(some.drain())
    await settled()
    assert not draining.done()
    jobs.gates["a1"].set()
    jobs.gates["b1"].set()
    assert await draining == 1
    assert jobs.ended == ["a1", "b1"]


async def test_who_gives_up_draining_cancels_what_runs() -> None:
    jobs, some = Jobs(), lanes()
    await some.put("a", jobs.job("a1"))
    await settled()
    draining = asyncio.create_task(some.drain())
    await settled()
    draining.cancel()
    assert isinstance((await asyncio.gather(draining, return_exceptions=True))[0], asyncio.CancelledError)
    assert (jobs.begun, jobs.ended) == (["a1"], [])


async def test_a_job_that_raises_is_a_fault_and_is_told() -> None:
    faults: list[BaseException] = []
    some = Lanes(most_waiting=10, on_fault=faults.append)

    async def broken() -> None:
        raise ZeroDivisionError

    await some.put("a", broken)
    await settled()
    assert [type(fault) for fault in faults] == [ZeroDivisionError]


async def test_a_key_may_come_back_after_its_lane_has_ended() -> None:
    jobs, some = Jobs(), lanes()
    for name in ("a1", "a2"):
        await some.put("a", jobs.job(name))
        jobs.gates[name].set()
        await settled()
    assert jobs.ended == ["a1", "a2"]
