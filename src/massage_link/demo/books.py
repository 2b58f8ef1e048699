"""What the tables hold at the end, and what went wrong in functions, read with the key."""

from __future__ import annotations

from typing import TypeVar

from appwrite.query import Query

from massage_link.client.link import AsyncMassageLink
from massage_link.client.paging import pages_of
from massage_link.demo.verdict import Books
from massage_link.domain.rows import Row
from massage_link.domain.tables import CHAT_MESSAGES, CHAT_ROOMS, COMMISSION_ENTRIES, COMMISSIONS, Table
from massage_link.schema.functions import functions_of
from massage_link.wire.call import Call, path, raw_json

__all__ = ["failed_executions", "read_books"]

R = TypeVar("R", bound=Row)
_PAGE = 1_000


async def read_books(link: AsyncMassageLink) -> Books:
    """Every row of the tables that the verdict looks at, but for those of canary bookings."""
    bookings = [booking async for booking in link.bookings.list(newest_first=False, page_size=_PAGE)]
    canaries = {booking.id for booking in bookings if booking.canary}
    rooms, commissions = await _all_rows(link, CHAT_ROOMS), await _all_rows(link, COMMISSIONS)
    messages, entries = await _all_rows(link, CHAT_MESSAGES), await _all_rows(link, COMMISSION_ENTRIES)
    return Books(
        bookings=[each for each in bookings if not each.canary],
        rooms=[each for each in rooms if each.id not in canaries],
        messages=[each for each in messages if each.room_id not in canaries],
        commissions=[each for each in commissions if each.id not in canaries],
        entries=[each for each in entries if each.booking_id not in canaries],
        totals=await link.commissions.totals(),
    )


async def failed_executions(link: AsyncMassageLink) -> list[str]:
    """Why functions failed, a sentence for each that did."""
    reasons = []
    for function in functions_of(direct_write=True):
        listed = await link.send(Call("GET", path("functions", function.id, "executions"), raw_json, repeatable=True))
        failures = [each for each in listed["executions"] if each["status"] == "failed"]
        if failures:
            said = str(failures[0]["errors"]).strip().splitlines() or ["nothing"]
            reasons.append(f"Function {function.id} failed {len(failures)} times: {said[-1]}")
    return reasons


async def _all_rows(link: AsyncMassageLink, table: Table[R]) -> list[R]:
    pages = pages_of(link.ports, table, [Query.order_asc("$createdAt")], page_size=_PAGE)
    rows: list[R] = []
    while True:
        page = await link.run(pages.page(rows[-1] if rows else None))
        rows.extend(page)
        if len(page) < pages.size:
            return rows
