"""The picture of the desk in docs/listen.md: taken from a real run. Run this file to refresh it."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from listening import at_the_desk
from massage_link import AsyncMassageLink, Money
from massage_link.testing import running_emulator
from massage_link.wire.users import create_user

DOCS = Path(__file__).parents[1] / "docs" / "listen.md"
_BLOCK = re.compile(r"(<!-- screen: tests/listen_screen\.py -->\n```text\n)(.*?)(\n```)", re.DOTALL)
_NAMES = re.compile(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b")
_IDS = re.compile(r"[0-9a-f]{28}|\[[0-9a-f]*(…|\])")


async def picture() -> str:
    """What a therapist sees who has three requests and is about to decline one."""
    with running_emulator() as server:
        async with server.async_link() as link:
            for user_id, name in (("ana", "Ana Berg"), ("mia", "Mia Keller")):
                await link.send(create_user(user_id, f"{user_id}@example.com", "password-1", name))
            async with at_the_desk(server, "--therapist", "ana") as desk:
                await desk.until("● live")
                await _requests(link)
                await desk.until("parking")
                desk.type("jdFully booked")
                await desk.until("Fully booked")
                return await desk.until(lambda screen: "3 requests" in screen.text and "23:59:" in screen.text)


async def _requests(link: AsyncMassageLink) -> None:
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=3)
    asked = [
        (noon, "Deep tissue", "Berlin-Mitte", "Mia Keller", 9_505, "Please bring oil."),
        (noon.replace(hour=17), "Thai", "Kreuzberg", "Jonas Weber", 12_000, "Second floor, the bell says Weber."),
        (noon + timedelta(days=1), "Shiatsu", "Potsdam", "Zoë Martin", 8_050, ""),
    ]
    booking = None
    for starts_at, service, area, name, price, note in asked:
        booking = await link.bookings.request(
            customer_id="mia",
            therapist_id="ana",
            service=service,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(hours=1),
            price=Money(price, "EUR"),
            area=area,
            customer_name=name,
            note=note,
        )
    assert booking is not None
    await link.chat.send(booking.id, "Is there parking?", sender_id="mia")


def shown_in_docs() -> str:
    """The picture that the docs show."""
    found = _BLOCK.search(DOCS.read_text("utf-8"))
    assert found is not None, "docs/listen.md has no picture"
    return found[2]


def same_picture(text: str) -> str:
    """A picture without what differs from run to run: ids, times, dates."""
    return re.sub(r"\d", "0", _NAMES.sub("Mon", _IDS.sub("[id]", text)))


def main() -> None:
    """Take it anew."""
    text = asyncio.run(picture())
    page = DOCS.read_text("utf-8")
    DOCS.write_text(_BLOCK.sub(lambda found: found[1] + text + found[3], page), "utf-8")
    print(text)  # noqa: T201 # whoever refreshes it wants to see it


if __name__ == "__main__":
    main()
