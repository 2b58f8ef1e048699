"""Opens the chat room of a booking when the booking is created."""

from typing import Any

from massage_link.functions import Context, booking_created
from massage_link.usecases.chat import ensure_room


async def main(context: Context) -> Any:
    """Run by Appwrite for each created booking."""
    return await booking_created(context, ensure_room)
