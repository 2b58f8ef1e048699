"""``massage-link book`` and ``massage-link bookings``: request, list, show and move bookings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from massage_link.cli.options import Acting, AsJson, EnvFile, Limit, connected, instant, print_json, print_rows
from massage_link.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from massage_link.client.link import MassageLink
    from massage_link.domain.booking import Booking, BookingEvent
    from massage_link.domain.money import Money

__all__ = ["app", "book"]

app = typer.Typer(no_args_is_help=True, help="List, show and move bookings.")
_ENV = Path(".env")
_Booking = Annotated[str, typer.Argument(metavar="BOOKING", help="Id of the booking.")]
_Reason = Annotated[str, typer.Option(help="Said to the other side.")]


def book(
    *,
    customer: Annotated[str, typer.Option(metavar="USER", help="Who books.")],
    therapist: Annotated[str, typer.Option(metavar="USER", help="Whom.")],
    service: Annotated[str, typer.Option(metavar="NAME", help="What, as the catalogue calls it.")],
    start: Annotated[str, typer.Option(metavar="TIME", help="When, with its zone: 2026-11-24T09:30+01:00.")],
    end: Annotated[str | None, typer.Option(metavar="TIME", help="Left out: the catalogue says it.")] = None,
    price: Annotated[
        str | None, typer.Option(metavar="AMOUNT", help='Such as "95.05 EUR"; left out: the catalogue says it.')
    ] = None,
    area: Annotated[str, typer.Option(help="Coarse place.")] = "",
    address: Annotated[str, typer.Option(help="Exact address; the therapist reads it once they accepted.")] = "",
    note: Annotated[str, typer.Option(help="For the therapist.")] = "",
    key: Annotated[str | None, typer.Option(help="Idempotency key: a repeat gives the same booking.")] = None,
    as_json: AsJson = False,
    env_file: EnvFile = _ENV,
) -> None:
    """Request a booking; with a session, the customer is who signed in."""
    with connected(env_file) as link:
        booking = link.bookings.request(
            customer_id=customer,
            therapist_id=therapist,
            service=service,
            starts_at=instant("--start", start),
            ends_at=None if end is None else instant("--end", end),
            price=None if price is None else _money(price),
            area=area,
            address=address,
            note=note,
            idempotency_key=key,
        )
    _show(booking, as_json=as_json)


@app.command(name="list")
def list_bookings(
    *,
    customer: Annotated[str | None, typer.Option(metavar="USER", help="Of this customer.")] = None,
    therapist: Annotated[str | None, typer.Option(metavar="USER", help="With this therapist.")] = None,
    status: Annotated[list[str] | None, typer.Option(help="In this state; repeatable.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    env_file: EnvFile = _ENV,
) -> None:
    """List bookings, the latest start first."""
    with connected(env_file) as link:
        # The SDK takes the states' own texts, and names them all when one is none.
        states: Any = status or None
        found = link.bookings.list(customer_id=customer, therapist_id=therapist, status=states, limit=limit)
        print_rows(found, _line, as_json=as_json, nothing="No booking.")


@app.command()
def show(booking: _Booking, *, as_json: AsJson = False, env_file: EnvFile = _ENV) -> None:
    """Show one booking."""
    with connected(env_file) as link:
        _show(link.bookings.get(booking), as_json=as_json)


@app.command()
def history(booking: _Booking, *, as_json: AsJson = False, env_file: EnvFile = _ENV) -> None:
    """Print what happened to a booking."""
    with connected(env_file) as link:
        link.bookings.get(booking)
        print_rows(link.bookings.history(booking), _event, as_json=as_json, nothing="")


@app.command()
def accept(
    booking: _Booking, *, acting: Acting = None, reason: _Reason = "", as_json: AsJson = False, env_file: EnvFile = _ENV
) -> None:
    """Accept a request."""
    _moved(env_file, as_json, lambda link: link.bookings.accept(booking, by=acting, reason=reason))


@app.command()
def decline(
    booking: _Booking, *, acting: Acting = None, reason: _Reason = "", as_json: AsJson = False, env_file: EnvFile = _ENV
) -> None:
    """Decline a request."""
    _moved(env_file, as_json, lambda link: link.bookings.decline(booking, by=acting, reason=reason))


@app.command()
def cancel(
    booking: _Booking, *, acting: Acting = None, reason: _Reason = "", as_json: AsJson = False, env_file: EnvFile = _ENV
) -> None:
    """Cancel a booking; what that costs is what `bookings quote` says."""
    _moved(env_file, as_json, lambda link: link.bookings.cancel(booking, by=acting, reason=reason))


@app.command()
def quote(booking: _Booking, *, acting: Acting = None, as_json: AsJson = False, env_file: EnvFile = _ENV) -> None:
    """Say what a cancellation would cost now."""
    with connected(env_file) as link:
        offer = link.bookings.quote_cancellation(booking, by=acting)
    until = offer.free_until
    if as_json:
        fee = {"feeMinor": offer.fee.minor, "currency": offer.fee.currency}
        print_json({**fee, "freeUntil": None if until is None else until.isoformat(), "version": offer.version})
    else:
        free = "" if until is None else f" Free until {until:%Y-%m-%d %H:%M} UTC."
        typer.echo(f"Cancelled now it costs {offer.fee}.{free}")


@app.command()
def start(
    booking: _Booking, *, acting: Acting = None, reason: _Reason = "", as_json: AsJson = False, env_file: EnvFile = _ENV
) -> None:
    """Note that the appointment has begun."""
    _moved(env_file, as_json, lambda link: link.bookings.start(booking, by=acting, reason=reason))


@app.command()
def complete(
    booking: _Booking, *, acting: Acting = None, reason: _Reason = "", as_json: AsJson = False, env_file: EnvFile = _ENV
) -> None:
    """Note that the appointment took place: the commission is due."""
    _moved(env_file, as_json, lambda link: link.bookings.complete(booking, by=acting, reason=reason))


@app.command(name="no-show")
def no_show(
    booking: _Booking,
    reason: Annotated[str, typer.Argument(help="What was seen: when, for how long somebody waited.")],
    *,
    acting: Acting = None,
    waive_fee: Annotated[
        bool, typer.Option("--waive-fee", help="Ops: no fee although the policy asks for one.")
    ] = False,
    as_json: AsJson = False,
    env_file: EnvFile = _ENV,
) -> None:
    """Note that the customer did not come."""
    _moved(env_file, as_json, lambda link: link.bookings.no_show(booking, reason, by=acting, waive_fee=waive_fee))


@app.command()
def move(
    booking: _Booking,
    to: Annotated[str, typer.Argument(metavar="TIME", help="The new start, with its zone.")],
    *,
    acting: Acting = None,
    reason: _Reason = "",
    as_json: AsJson = False,
    env_file: EnvFile = _ENV,
) -> None:
    """Move a booking to another time."""
    begin = instant("TIME", to)
    _moved(env_file, as_json, lambda link: link.bookings.reschedule(booking, begin, by=acting, reason=reason))


# --- in words ---------------------------------------------------------------------------------------------------------
def _moved(env_file: Path, as_json: bool, work: Callable[[MassageLink], Booking]) -> None:
    with connected(env_file) as link:
        moved = work(link)
    _show(moved, as_json=as_json)


def _show(booking: Booking, *, as_json: bool) -> None:
    print_rows([booking], _line, as_json=as_json, nothing="")


def _line(booking: Booking) -> str:
    from massage_link.worker.describing import price, when

    money = price(booking.price_minor, booking.currency)
    people = f"{booking.customer_id} with {booking.therapist_id}"
    reason = f" ({booking.status_reason})" if booking.status_reason else ""
    time = f"{when(booking)} {booking.timezone}"
    return "  ".join([booking.id, f"{booking.status}{reason}", time, booking.service, money, people])


def _event(event: BookingEvent) -> str:
    reason = f": {event.reason}" if event.reason else ""
    who = f"{event.type} by {event.actor_role} {event.actor}"
    return f"{event.version:>3}  {event.at:%Y-%m-%d %H:%M:%S} UTC  {who}{reason}"


def _money(text: str) -> Money:
    from massage_link.domain.money import Money

    amount, _, currency = text.strip().partition(" ")
    if not currency:
        raise UsageError(f'--price is an amount and its currency, such as "95.05 EUR", not {text!r}.')
    return Money.parse(amount, currency.strip())
