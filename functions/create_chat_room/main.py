"""Opens the chat room of a booking when the booking is created."""

from typing import Any

from massage_link.functions import Context, for_booking
from massage_link.usecases.chat import ensure_room


async def main(context: Context) -> Any:
    """Run by Appwrite for each created booking."""
    return await for_booking(context, ensure_room)
