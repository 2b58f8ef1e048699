"""Desktop notifications, where there are any."""

from __future__ import annotations

import asyncio
import html
import shutil
from asyncio.subprocess import DEVNULL
from contextlib import suppress

from massage_link.domain.booking import Booking
from massage_link.worker.describing import plain, price, when

__all__ = ["notify"]

_PATIENCE = 5.0


async def notify(booking: Booking, *, program: str = "notify-send") -> bool:
    """Tell the desktop of a request; False, and no error, when it has no way to be told."""
    path = shutil.which(program)
    if path is None:
        return False
    title = plain(f"Request: {booking.service}")
    facts = [when(booking), booking.area, booking.customer_name, price(booking.price_minor, booking.currency)]
    body = html.escape(plain("\n".join(fact for fact in facts if fact)), quote=False)  # some desktops read markup
    arguments = ["--app-name=massage-link", "--", title, body]
    with suppress(OSError, TimeoutError, ProcessLookupError):
        process = await asyncio.create_subprocess_exec(path, *arguments, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
        try:
            async with asyncio.timeout(_PATIENCE):
                return await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    return False
