"""The report is what a look at every row says, for any histories, with canaries left out."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from cases import POLICY, Run
from marketplace import LinkMaker, Market, People, Server
from massage_link import AsyncMassageLink, Booking, BookingEvent, Commission, CommissionStatus, MassageLink, Money
from massage_link.domain.analytics import AnalyticsRow, Dimension, Earnings, Period
from massage_link.domain.booking import BookingEventType, Status
from massage_link.domain.states import Command
from massage_link.domain.tables import BOOKING_EVENTS, BOOKINGS, COMMISSIONS
from massage_link.errors import CredentialRequired, InvalidInput, NotAllowed
from massage_link.usecases import analytics
from massage_link.usecases.analytics import analyse, analyse_each
from massage_link.usecases.bookings import request_booking
from massage_link.usecases.transitions import SYSTEM, Wanted, transition

#: A month of which no other test writes.
FIRST, LAST = date(2041, 3, 1), date(2041, 4, 1)
ZONE = "Europe/Berlin"
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Books:
    """Every row of the month, as it is in the tables."""

    bookings: dict[str, Booking]
    events: list[BookingEvent]
    commissions: dict[str, Commission]


@pytest.fixture(scope="module")
def books(server: Server) -> Iterator[Books]:
    """What random histories leave: 60 bookings, every sixth a canary."""
    dice = random.Random(20)  # noqa: S311 - histories, not secrets
    with server.link() as link:
        market = Market(server, link)
        made = {_lived(market, dice, number).booking_id for number in range(60)}
        yield Books(
            {row.id: row for row in market.rows(BOOKINGS) if row.id in made},
            [row for row in market.rows(BOOKING_EVENTS) if row.booking_id in made],
            {row.id: row for row in market.rows(COMMISSIONS) if row.id in made},
        )


def _lived(market: Market, dice: random.Random, number: int) -> Run:
    """A booking that takes some way through its states, at some pace."""
    run = Run(market.link, market)
    now = datetime(2041, 3, 1, tzinfo=UTC) + dice.random() * timedelta(days=26)
    now = now.replace(microsecond=0)
    start = now.replace(minute=0, second=0) + 60 * HOUR
    run.therapist = f"{run.therapist[:-1]}{number}"
    wish = run.wish(
        start,
        service=dice.choice(["Deep tissue", "Thai"]),
        price=Money(dice.randint(1_000, 20_000), dice.choice(["EUR", "JPY"])),
        canary=number % 6 == 0,
    )
    assert wish.cancellation_policy == POLICY
    run.booking_id = market.link.run(request_booking(run.ports(now), wish)).id
    for _ in range(dice.randint(1, 5)):
        now += dice.random() * 30 * HOUR
        now = now.replace(microsecond=0)
        row = next(row for row in market.rows(BOOKINGS) if row.id == run.booking_id)
        _moved(run, row, now, dice)
    return run


def _moved(run: Run, row: Booking, now: datetime, dice: random.Random) -> None:
    if row.status is Status.PENDING:
        if row.expires_at is not None and now >= row.expires_at:
            expire = Wanted(Command.EXPIRE, command_id="e")
            run.link.run(transition(run.ports(now), run.booking_id, expire, actor=lambda _: SYSTEM))
            return
        command = dice.choice([Command.ACCEPT] * 4 + [Command.DECLINE, Command.CANCEL])
        run.link.run(run.move(command, by=run.customer if command is Command.CANCEL else run.therapist, now=now))
    elif row.status in {Status.ACCEPTED, Status.IN_PROGRESS}:
        command = dice.choice([Command.COMPLETE, Command.COMPLETE, Command.START, Command.CANCEL, Command.NO_SHOW])
        if command is Command.START and row.status is Status.IN_PROGRESS:
            command = Command.COMPLETE
        if command is Command.CANCEL and row.status is Status.ACCEPTED:
            run.link.run(run.move(command, by=run.customer, now=now))  # late enough, it costs a fee
        else:
            run.link.run(run.move(command, now=now))


def look(books: Books, counts: Callable[[BookingEvent, Booking], bool]) -> AnalyticsRow:
    """The numbers of the events for which this holds, each found by itself."""
    of_real = [each for each in books.events if not books.bookings[each.booking_id].canary]
    found = [each for each in of_real if counts(each, books.bookings[each.booking_id])]
    by_type = Counter(each.type for each in found)
    early = [each for each in found if each.type == "cancelled" and each.from_status is Status.PENDING]
    ends = {BookingEventType.COMPLETED, BookingEventType.CANCELLED, BookingEventType.NO_SHOW}
    money: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for booking_id in {each.booking_id for each in found if each.type in ends} & set(books.commissions):
        row = books.commissions[booking_id]
        if row.status in {CommissionStatus.DUE, CommissionStatus.PAID}:
            money[row.currency].append((row.gross_minor, row.commission_minor))
    waits = sorted(_waited(books, each) for each in found if each.type in {"accepted", "declined"})
    return AnalyticsRow(
        day=None,
        therapist_id=None,
        service=None,
        requests=by_type[BookingEventType.REQUESTED],
        accepted=by_type[BookingEventType.ACCEPTED],
        declined=by_type[BookingEventType.DECLINED],
        expired=by_type[BookingEventType.EXPIRED],
        withdrawn=len(early),
        completed=by_type[BookingEventType.COMPLETED],
        cancelled=by_type[BookingEventType.CANCELLED] - len(early),
        no_shows=by_type[BookingEventType.NO_SHOW],
        answer_p50=waits[-(-len(waits) * 50 // 100) - 1] if waits else None,
        answer_p90=waits[-(-len(waits) * 90 // 100) - 1] if waits else None,
        earned=tuple(
            Earnings(*(Money(sum(part), code) for part in zip(*money[code], strict=True))) for code in sorted(money)
        ),
    )


def _waited(books: Books, answer: BookingEvent) -> timedelta:
    asked = [e for e in books.events if e.booking_id == answer.booking_id and e.version == answer.version - 1]
    return answer.at - asked[0].at


def numbers(row: AnalyticsRow) -> list[object]:
    """What it says, but for which group it is."""
    return [getattr(row, name) for name in AnalyticsRow.__slots__ if name not in {"day", "therapist_id", "service"}]


async def test_the_total_is_what_a_look_at_every_row_says(link: AsyncMassageLink, books: Books) -> None:
    report = await link.analytics.report(FIRST, LAST, by=(), timezone=ZONE)
    assert numbers(report.total) == numbers(look(books, lambda *_: True))
    assert report.total.requests == 50
    assert report.currencies == ("EUR", "JPY")
    assert [numbers(row) for row in report.rows] == [numbers(report.total)]
    assert all([report.total.accepted, report.total.declined, report.total.expired, report.total.withdrawn])
    assert all([report.total.completed, report.total.cancelled, report.total.no_shows])


async def test_every_group_is_what_a_look_at_its_rows_says(link: AsyncMassageLink, books: Books) -> None:
    report = await link.analytics.report(FIRST, LAST, by=["service", "day"], timezone=ZONE)
    assert report.by == (Dimension.DAY, Dimension.SERVICE)

    def within(row: AnalyticsRow) -> Callable[[BookingEvent, Booking], bool]:
        return lambda event, booking: (
            (event.at.astimezone(ZoneInfo(ZONE)).date(), booking.service) == (row.day, row.service)
        )

    assert len(report.rows) > 10
    for row in report.rows:
        assert row.therapist_id is None
        assert numbers(row) == numbers(look(books, within(row)))


async def test_a_therapists_row_is_of_their_bookings_alone(link: AsyncMassageLink, books: Books) -> None:
    report = await link.analytics.report(FIRST, LAST, by="therapist", timezone=ZONE)
    assert len(report.rows) == 50
    for row in report.rows:
        (own,) = [booking for booking in books.bookings.values() if booking.therapist_id == row.therapist_id]
        assert numbers(row) == numbers(look(books, partial(_is_of, own.id)))


def _is_of(booking_id: str, event: BookingEvent, _: Booking) -> bool:
    return event.booking_id == booking_id


def test_small_pages_and_a_short_memory_change_nothing(
    server: Server, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[datetime] = []
    period, by = Period.parse(FIRST, LAST, ZONE), (Dimension.DAY, Dimension.THERAPIST, Dimension.SERVICE)
    with server.link() as link:
        expected = link.run(analyse(link.ports, period, by))
        monkeypatch.setattr(analytics, "_PAGE", 7)
        monkeypatch.setattr(analytics, "_REMEMBERED", 3)
        assert link.run(analyse(link.ports, period, by, progress=told.append)) == expected
    assert told == sorted(told)
    assert len(told) == len(books.events) // 7


async def test_the_end_is_not_part_of_the_period(link: AsyncMassageLink, books: Books) -> None:
    first = min(each.at for each in books.events if not books.bookings[each.booking_id].canary)
    before = await link.analytics.report(datetime(2041, 1, 1, tzinfo=UTC), first, by=())
    assert (before.total.requests, before.rows) == (0, ())
    just = await link.analytics.report(first, first + timedelta(milliseconds=1), by=())
    assert just.total.requests == 1


async def test_ops_see_with_their_own_credential_what_a_key_sees(
    link: AsyncMassageLink, people: People, books: Books
) -> None:
    expected = await link.analytics.report(FIRST, LAST, by=["day", "therapist", "service"], timezone=ZONE)
    ops = link.as_user(people.ops.id)
    assert await ops.analytics.report(FIRST, LAST, by=["day", "therapist", "service"], timezone=ZONE) == expected
    assert expected.total.requests == 50


async def test_nobody_else_takes_their_own_bookings_for_the_business(
    links: LinkMaker, link: AsyncMassageLink, people: People
) -> None:
    for person in (people.customer, people.therapist):
        with pytest.raises(NotAllowed, match=f"every booking, which is for ops; you are {person.id}"):
            await link.as_user(person.id).analytics.report(FIRST, LAST)
    with pytest.raises(CredentialRequired, match=r"analytics.report is for signed-in users"):
        await links(api_key=None).analytics.report(FIRST, LAST)


def test_several_divisions_are_read_at_once_and_say_what_each_says_alone(server: Server, books: Books) -> None:
    period = Period.parse(FIRST, LAST, ZONE)
    divisions = [(each,) for each in Dimension]
    with server.link() as link:
        alone = [link.run(analyse(link.ports, period, by)) for by in divisions]
        assert link.run(analyse_each(link.ports, period, divisions)) == alone
    assert [report.total.requests for report in alone] == [50, 50, 50]


async def test_what_cannot_be_reported_is_refused_before_anything_is_read(link: AsyncMassageLink) -> None:
    with pytest.raises(InvalidInput, match="IANA"):
        await link.analytics.report(FIRST, LAST, timezone="Nowhere")
    with pytest.raises(InvalidInput, match="by names day, therapist, service"):
        await link.analytics.report(FIRST, LAST, by="week")


def test_what_was_given_back_is_taken_off_where_it_was_earned(server: Server) -> None:
    day = datetime(2041, 5, 1, tzinfo=UTC)
    with server.link() as link:
        run = Run(link, Market(server, link))
        run.booking_id = link.run(request_booking(run.ports(day), run.wish(day + 8 * HOUR))).id
        for command in (Command.ACCEPT, Command.COMPLETE):
            link.run(run.move(command, now=day + HOUR))
        link.commissions.refund(run.booking_id, Money(2_005, "EUR"), key="k", reason="it was cold")
        total = link.analytics.report(date(2041, 5, 1), date(2041, 5, 2), by=()).total
    assert (total.revenue("EUR"), total.commission("EUR")) == (Money(7_500, "EUR"), Money(2_250, "EUR"))


def test_the_blocking_link_has_it_too(server: Server, books: Books) -> None:
    link: MassageLink
    with server.link() as link:
        days = link.analytics.report(FIRST, LAST, timezone=ZONE).by_day
    assert len(days) == 31
    assert sum(row.requests for row in days.values()) == 50
