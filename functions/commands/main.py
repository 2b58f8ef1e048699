"""Runs the commands of signed-in users: request, accept, cancel, send, read…"""

from typing import Any

from massage_link.functions import Context, run_commands


async def main(context: Context) -> Any:
    """Run by Appwrite for each execution that a user asks for."""
    return await run_commands(context)
