"""A batch that the function pays part by part: the link asks on until it is complete."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import respx

from massage_link.domain.money import Money
from massage_link.usecases.payouts import PayoutLine, PayoutReport
from unit.client.conftest import Make


def _part(paid: int, all_of_them: int, *, complete: bool) -> PayoutReport:
    line = PayoutLine("tina", "EUR", all_of_them, Money(6_653 * all_of_them, "EUR"))
    return PayoutReport("nov", dry_run=False, paid=paid, lines=(line,), complete=complete)


@pytest.mark.parametrize(
    ("parts", "asked", "paid", "complete"),
    [
        ([_part(3, 3, complete=True)], 1, 3, True),
        ([_part(2, 2, complete=False), _part(3, 5, complete=False), _part(1, 6, complete=True)], 3, 6, True),
        # Nothing comes of asking one on that gets no further.
        ([_part(2, 2, complete=False), _part(0, 2, complete=False)], 2, 2, False),
    ],
)
async def test_a_batch_is_asked_on_until_it_is_complete(
    make: Make, api: respx.MockRouter, parts: list[PayoutReport], asked: int, paid: int, complete: bool
) -> None:
    answers = iter(parts)
    bodies: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(json.loads(request.content)["body"]))
        told = {
            "$id": "e",
            "status": "completed",
            "responseStatusCode": 200,
            "responseBody": json.dumps({"result": next(answers).as_json()}),
        }
        return httpx.Response(201, json=told)

    api.post("/functions/commands/executions").mock(side_effect=answer)
    link = make(api_key=None, session="s")
    report = await link.commissions.pay_out("nov", therapist_id="tina")
    assert (report.paid, report.complete, report.lines) == (paid, complete, parts[-1].lines)
    assert bodies == asked * [
        {"command": "commissions.pay_out", "arguments": {"batch": "nov", "therapistId": "tina", "dryRun": False}}
    ]
