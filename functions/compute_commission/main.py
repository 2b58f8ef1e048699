"""Puts the platform's commission on the books when a booking is created."""

from typing import Any

from massage_link.functions import Context, for_booking
from massage_link.usecases.commissions import ensure_commission


async def main(context: Context) -> Any:
    """Run by Appwrite for each created booking."""
    return await for_booking(context, ensure_commission)
