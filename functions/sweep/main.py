"""Does by the clock what no event does: expiry, and whatever an event that never came left undone."""

from typing import Any

from massage_link.functions import Context, run_sweep


async def main(context: Context) -> Any:
    """Run by Appwrite every minute."""
    return await run_sweep(context)
