"""How a listener begins: with requests that are open, and with nothing else of the past."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from massage_link.domain.booking import Booking, Status
from massage_link.errors import BadRequest, ConnectionFailed, ServerError
from massage_link.realtime import MemoryCheckpoint, Mutable, Page, Position, RawRow, Source
from massage_link.worker.opening import begin_with_open_requests, is_open, patiently
from worker_world import NOW, booking

WINDOW = timedelta(seconds=120)


def raw(each: Booking, *, minutes_ago: int, sequence: int) -> dict[str, Any]:
    stamp = (NOW - timedelta(minutes=minutes_ago)).isoformat()
    return {**each.model_dump(mode="json", by_alias=True), "$updatedAt": stamp, "$sequence": str(sequence)}


def source(rows: Sequence[RawRow]) -> Source[Booking]:
    async def read_back(after: Position, limit: int, /) -> Page:
        found = [row for row in rows if (row["$updatedAt"], int(row["$sequence"])) > _place(after)]
        return Page(found[:limit], NOW)

    return Source(
        name="bookings",
        table="bookings",
        channels=["rows"],
        identity=Mutable("version"),
        decode=lambda row: Booking.model_validate(dict(row)),
        read_back=read_back,
        relevant=lambda row: row.get("customerId") != "stranger",
    )


def _place(after: Position) -> tuple[str, int]:
    return after.updated_at.isoformat(), int(after.sequence or -1)


async def begun(rows: Sequence[RawRow], checkpoint: MemoryCheckpoint | None = None) -> MemoryCheckpoint:
    checkpoint = checkpoint or MemoryCheckpoint()
    notes: list[str] = []
    await begin_with_open_requests(checkpoint, source(rows), now=NOW, window=WINDOW, note=notes.append)
    return checkpoint


async def test_what_is_open_is_still_to_come_and_the_rest_is_known() -> None:
    rows = [
        raw(booking("old", status=Status.COMPLETED, version=3), minutes_ago=600, sequence=1),
        raw(booking("open"), minutes_ago=500, sequence=2),
        raw(booking("over", expires_at=NOW), minutes_ago=400, sequence=3),
        raw(booking("draft", customer_id="stranger", status=Status.COMPLETED), minutes_ago=300, sequence=4),
    ]
    progress = (await begun(rows)).load("bookings")
    assert progress is not None
    assert {mark.key: mark.version for mark in progress.marks} == {"old": 3, "over": 1}
    assert progress.start == NOW
    assert progress.high_water - WINDOW <= NOW - timedelta(hours=24)


async def test_many_rows_are_read_page_by_page() -> None:
    rows = [
        raw(booking(f"b{n:04}", status=Status.DECLINED), minutes_ago=1_200 - n // 2, sequence=n + 1)
        for n in range(1_200)
    ]
    progress = (await begun(rows)).load("bookings")
    assert progress is not None
    assert len([*progress.marks]) == 1_200


async def test_a_consumer_that_is_known_goes_on_where_it_was() -> None:
    checkpoint = await begun([])
    await begun([raw(booking(status=Status.DECLINED), minutes_ago=1, sequence=1)], checkpoint)
    progress = checkpoint.load("bookings")
    assert progress is not None
    assert [*progress.marks] == []


async def test_a_row_that_is_no_booking_is_left_to_be_reported() -> None:
    broken = {**raw(booking("broken"), minutes_ago=1, sequence=1), "status": "whatever"}
    progress = (await begun([broken])).load("bookings")
    assert progress is not None
    assert [*progress.marks] == []


def test_a_request_is_open_until_it_expires() -> None:
    assert is_open(booking(), NOW)
    assert is_open(booking(expires_at=None), NOW)
    assert not is_open(booking(), NOW + timedelta(hours=24))
    assert not is_open(booking(status=Status.ACCEPTED), NOW)


@pytest.mark.parametrize(
    "error", [ConnectionFailed("no connection."), ServerError("the server failed (503).", status=503)]
)
async def test_a_server_that_cannot_be_reached_is_tried_again_and_said(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("massage_link.worker.opening.wait_random_exponential", lambda **_: lambda _: 0.0)
    attempts, notes = 0, list[str]()

    async def ask() -> str:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise error
        return "well"

    assert await patiently(ask, notes.append) == "well"
    assert notes == [f"{error} Trying again in 0.0 s."] * 2


async def test_what_will_not_pass_is_raised() -> None:
    async def ask() -> str:
        raise BadRequest("malformed", status=400)

    notes: list[str] = []
    with pytest.raises(BadRequest):
        await patiently(ask, notes.append)
    assert notes == []
