"""A blocking check that is interrupted lets the check clean up before the program goes on."""

from __future__ import annotations

import asyncio
import signal
import threading

import pytest

from massage_link import AsyncMassageLink, HealthReport, MassageLink
from massage_link.errors import CredentialRequired


def test_an_interruption_ends_the_check_and_waits_for_its_clean_up(monkeypatch: pytest.MonkeyPatch) -> None:
    cleaned_up = threading.Event()

    async def check(_: AsyncMassageLink, *, deep: bool) -> HealthReport:
        try:
            signal.raise_signal(signal.SIGINT)  # Ctrl-C reaches the main thread, wherever it is pressed
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned_up.set()
        raise AssertionError

    monkeypatch.setattr(AsyncMassageLink, "verify_integration", check)
    before = threading.active_count()
    with MassageLink("http://127.0.0.1:9/v1", "p", api_key="k") as link, pytest.raises(KeyboardInterrupt):
        link.verify_integration(deep=True)
    assert cleaned_up.is_set()
    assert threading.active_count() == before


def test_errors_come_out_where_the_check_was_asked_for() -> None:
    with MassageLink("http://127.0.0.1:9/v1", "p", session="s") as link, pytest.raises(CredentialRequired):
        link.verify_integration()
