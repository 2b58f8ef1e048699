"""What the pages about bookings say is so: tables, examples, names, errors."""

from __future__ import annotations

import ast
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from massage_link import errors
from massage_link.client.availability import AvailabilityOperations
from massage_link.client.bookings import BookingOperations
from massage_link.domain.calendar import Availability, Service, parse_availability, parse_services
from massage_link.domain.policy import CancellationPolicy, parse_policy
from massage_link.domain.request import ANSWER_WITHIN
from massage_link.domain.slots import LONGEST
from massage_link.usecases.commands import COMMANDS
from massage_link.usecases.reported import status_of

ROOT = Path(__file__).parents[2]
BOOKINGS = (ROOT / "docs" / "bookings.md").read_text("utf-8")
JS = (ROOT / "docs" / "js.md").read_text("utf-8")


def _blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def test_the_tables_of_states_and_readers_are_fresh() -> None:
    generator: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "docs" / "bookings.py"))
    assert generator["page"]() == BOOKINGS, "run `python scripts/docs/bookings.py`"


def test_the_examples_of_a_catalogue_can_be_used_and_name_every_fact() -> None:
    services, hours, policy = _blocks(BOOKINGS, "json")
    assert parse_services(services)[0].price.minor == 9505
    assert parse_availability(hours).weekly["mon"] == [("09:00", "12:30"), ("13:30", "18:00")]
    assert parse_policy(policy) == CancellationPolicy(platform_bps=3_000)
    for model, text in ((Service, services), (Availability, hours), (CancellationPolicy, policy)):
        aliases = {str(field.alias) for field in model.model_fields.values()}
        assert aliases <= set(re.findall(r'"(\w+)":', text)), model


def test_the_limits_are_those_of_the_code() -> None:
    assert ANSWER_WITHIN.total_seconds() == 24 * 3_600
    assert "24 hours after the request" in BOOKINGS
    assert str(LONGEST) == "8:15:00"
    assert "8 hours and 15 minutes" in BOOKINGS


def _calls(code: str) -> Iterator[tuple[type, str, set[str]]]:
    resources: dict[str, type] = {"bookings": BookingOperations, "availability": AvailabilityOperations}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Attribute) and owner.attr in resources:
                yield resources[owner.attr], node.func.attr, {str(each.arg) for each in node.keywords}


def test_the_python_examples_call_what_is_there() -> None:
    calls = [call for block in _blocks(BOOKINGS, "python") for call in _calls(block)]
    assert len(calls) == 6
    for resource, name, keywords in calls:
        method = vars(resource)[name]
        assert keywords <= set(method._build.__annotations__), name


def test_every_command_of_the_page_for_javascript_is_there() -> None:
    named = set(re.findall(r"[`']((?:bookings|chat|commissions|availability)\.\w+)[`']", JS))
    assert named == set(COMMANDS)


def _error(name: str) -> errors.MassageLinkError:
    kind = getattr(errors, name)
    error: errors.MassageLinkError = kind("", current=None) if name == "StaleBooking" else kind("")
    return error


@pytest.mark.parametrize("line", re.findall(r"^\| (\d{3}) \| (.+?) \|", JS, re.MULTILINE))
def test_every_error_has_the_status_that_the_page_names(line: tuple[str, str]) -> None:
    status, names = line
    for name in re.findall(r"`(\w+)`", names):
        assert status_of(_error(name)) == int(status), name
