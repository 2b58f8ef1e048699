"""Whatever becomes of each request: money moves once or never, and what the caller is told is true."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from fates import FATES, THOROUGHLY, Fates, check_truth, moved, told
from imaginary import ImaginaryAppwrite, ports, run, wish
from massage_link.domain.commission import Commission, CommissionEntry
from massage_link.domain.ledger import rebuilt
from massage_link.domain.money import Money
from massage_link.domain.states import Command
from massage_link.errors import MassageLinkError
from massage_link.usecases.bookings import request_booking
from massage_link.usecases.commissions import refresh_commission
from massage_link.usecases.corrections import adjust_commission, post_once, refund_booking
from massage_link.usecases.payouts import PayoutReport, pay_out
from massage_link.usecases.ports import Ports
from massage_link.usecases.transitions import OPS
from massage_link.wire.call import Flow


def completed(server: ImaginaryAppwrite, ours: Ports) -> str:
    """A completed booking of 95.05 EUR."""
    booking = run(server, request_booking(ours, wish()))
    for command in (Command.ACCEPT, Command.COMPLETE):
        run(server, moved(ours, booking.id, command))
    return str(booking.id)


def refund(ours: Ports, booking_id: str, minor: int = 1_000, key: str = "k") -> Flow[CommissionEntry]:
    """A refund by ops."""
    return refund_booking(ours, booking_id, Money(minor, "EUR"), key=key, reason="ill", actor=OPS)


def references(server: ImaginaryAppwrite) -> list[str]:
    """The references of all entries after the first two; and the projection is what they tell."""
    entries = [CommissionEntry.model_validate(row) for row in server.rows("commission_entries").values()]
    (stored,) = (Commission.model_validate(row) for row in server.rows("commissions").values())
    assert stored.columns() == rebuilt(entries).columns()
    return [entry.reference for entry in sorted(entries, key=lambda entry: entry.n)][2:]


@THOROUGHLY
@given(FATES)
def test_a_refund_is_given_once_or_never(fates: Fates) -> None:
    server, ours = ImaginaryAppwrite(), ports()
    booking_id = completed(server, ours)
    result, error = told(server, refund(ours, booking_id), fates)
    check_truth(len(references(server)), result, error)


@THOROUGHLY
@given(FATES)
def test_a_refund_that_is_repeated_with_its_key_is_given_once(fates: Fates) -> None:
    server, ours = ImaginaryAppwrite(), ports()
    booking_id = completed(server, ours)
    told(server, refund(ours, booking_id), fates)
    run(server, refund(ours, booking_id))
    assert references(server) == ["refund:k"]


@THOROUGHLY
@given(FATES, st.integers(0, 10))
def test_an_adjustment_that_races_a_refund_leaves_both(fates: Fates, after: int) -> None:
    server, ours = ImaginaryAppwrite(), ports()
    booking_id = completed(server, ours)
    given_back: list[CommissionEntry] = []

    def rival() -> None:
        given_back.append(run(server, refund(ports(), booking_id)))

    server.between(len(server.requests) + after, rival)
    flow = adjust_commission(ours, booking_id, Money(100, "EUR"), key="k", reason="so", actor=OPS)
    result, error = told(server, flow, fates)
    found = references(server)
    check_truth(found.count("adjustment:k"), result, error)
    assert found.count("refund:k") == len(given_back)


@THOROUGHLY
@given(FATES, st.integers(0, 10))
def test_a_refund_that_races_the_payout_is_taken_off_before_or_owed_after(fates: Fates, after: int) -> None:
    server, ours = ImaginaryAppwrite(), ports()
    booking_id = completed(server, ours)

    def rival() -> None:
        with suppress(MassageLinkError):
            run(server, refund(ports(), booking_id))

    server.between(len(server.requests) + after, rival)
    report, error = told(server, pay_out(ours, "b", actor=OPS), fates)
    found = references(server)
    assert found.count("payout:b") <= 1
    if report is not None and not report.failed:
        assert found.count("payout:b") == report.paid == 1, error
    row = server.rows("commissions")[booking_id]
    net = 6_653 - (700 if "refund:k" in found else 0)
    assert row["paidMinor"] + row["balanceMinor"] == net


@THOROUGHLY
@given(FATES, st.integers(0, 10))
def test_of_two_runs_of_a_batch_at_one_instant_only_one_says_that_it_paid(fates: Fates, after: int) -> None:
    server, ours = ImaginaryAppwrite(), ports()
    completed(server, ours)
    rival: list[PayoutReport] = []
    server.between(len(server.requests) + after, lambda: rival.append(run(server, pay_out(ports(), "b", actor=OPS))))
    report, _ = told(server, pay_out(ours, "b", actor=OPS), fates)
    paid = [each.paid for each in (*rival, report) if each is not None]
    assert sum(paid) <= references(server).count("payout:b") <= 1
    if report is not None and not report.failed:
        assert sum(paid) == 1


@THOROUGHLY
@given(FATES)
def test_a_projection_is_rebuilt_or_left_alone(fates: Fates) -> None:
    server, ours = ImaginaryAppwrite(), ports()
    booking_id = completed(server, ours)
    server.rows("commissions")[booking_id]["commissionMinor"] = 1
    result, error = told(server, refresh_commission(ours, booking_id), fates)
    stored = server.rows("commissions")[booking_id]["commissionMinor"]
    assert stored in ({2_852} if result is not None else {1, 2_852}), error
    assert run(server, refresh_commission(ours, booking_id)).commission_minor == 2_852  # type: ignore[union-attr]
    assert references(server) == []


@given(st.integers(0, 12))
def test_an_entry_that_comes_in_while_a_projection_is_rebuilt_is_not_forgotten(after: int) -> None:
    server, ours = ImaginaryAppwrite(), ports()
    booking_id = completed(server, ours)
    server.rows("commissions")[booking_id]["commissionMinor"] = 1
    server.between(len(server.requests) + after, lambda: run(server, refund(ports(), booking_id)))
    run(server, refresh_commission(ours, booking_id))
    assert references(server) in ([], ["refund:k"])


def test_an_entry_of_a_reference_that_is_there_is_given_back_as_it_is() -> None:
    server, ours = ImaginaryAppwrite(), ports()
    booking_id = completed(server, ours)
    entry = run(server, post_once(ours, booking_id, "due:3", lambda _: 1 / 0))  # type: ignore[arg-type,return-value]
    assert (entry.n, entry.reference) == (2, "due:3")
