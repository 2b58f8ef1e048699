"""Admits or declines the booking rows that clients write in direct-write mode."""

from typing import Any

from massage_link.functions import Context, for_booking
from massage_link.usecases.admission import admit_booking


async def main(context: Context) -> Any:
    """Run by Appwrite for each booking row that is written."""
    return await for_booking(context, admit_booking)
