"""What the demo shows."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

from rich.console import Console

from demo_world import good_books, good_record, two_orders
from massage_link.demo.record import Record
from massage_link.demo.run import Outcome
from massage_link.demo.story import Story
from massage_link.demo.verdict import Books, Problem, judge, report
from massage_link.demo.view import Screen, shown


def text_of(outcome: Outcome) -> str:
    console = Console(file=StringIO(), width=200)
    console.print(shown(outcome))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def outcome_of(record: Record, books: Books, story: Story | None = None) -> Outcome:
    problems = judge(record, books)
    return Outcome(report(record, books, problems, seconds=6.0), problems, (), story)


def test_a_good_run_shows_counts_ledger_and_verdict() -> None:
    record = good_record()
    text = text_of(outcome_of(record, good_books(record)))
    assert "Bookings: 2 (2 completed). Rooms: 2. Seconds: 6.0." in text
    assert "Nothing lost, nothing doubled, not a cent off." in text
    ledger = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.startswith(("EUR", "JPY"))}
    assert ledger == {"EUR": ["1", "95.05", "28.52", "66.53"], "JPY": ["1", "9,999", "3,000", "6,999"]}


def test_alerts_are_shown_apart_by_the_way_in_which_the_booking_was_written() -> None:
    record = good_record()
    text = text_of(outcome_of(record, good_books(record)))
    counts = {line.partition("  ")[0]: line.split()[-4] for line in text.splitlines() if "alert" in line or "…" in line}
    assert counts == {"alert to the therapist": "1", "… of a direct write, once admitted": "1"}


def test_the_timeline_is_in_order_of_time_and_local_to_the_massage() -> None:
    record = good_record()
    story = Story(two_orders()[0])
    story.note(7.0125, "Mara", "is alerted")
    story.note(7.0, "Zoë 🌸", "writes “[b]no markup[/b]”")
    story.note(None, "Nobody", "does nothing")
    lines = text_of(outcome_of(record, good_books(record), story)).splitlines()
    assert "09:30 in Europe/Berlin, 95.05 EUR" in lines[0]
    assert lines[2].split() == ["0.0", "Zoë", "🌸", "writes", "“[b]no", "markup[/b]”"]
    assert lines[3].split() == ["12.5", "Mara", "is", "alerted"]


def test_problems_are_listed_with_what_failed_functions_said() -> None:
    record = good_record()
    books = replace(good_books(record), rooms=())
    outcome = replace(outcome_of(record, books), hints=["Function create_chat_room failed 2 times: [oh no]"])
    text = text_of(outcome)
    assert "2 lost, 0 doubled, 2 problems:" in text
    assert "lost: booking b1 has no room" in text
    assert "failed 2 times: [oh no]" in text
    assert "Nothing lost" not in text


def test_of_many_problems_the_first_are_listed() -> None:
    record = good_record()
    many = [Problem("lost", f"thing {number}") for number in range(100)]
    outcome = replace(outcome_of(record, good_books(record)), problems=many)
    text = text_of(outcome)
    assert "thing 19" in text
    assert "thing 20" not in text
    assert "… and 80 more" in text


def test_progress_tells_each_step() -> None:
    console = Console(file=StringIO(), width=80)
    with Screen(console, 2) as screen:
        screen.done("server at http://127.0.0.1:1/v1")
        screen.taken()
    assert isinstance(console.file, StringIO)
    assert "server at http://127.0.0.1:1/v1" in console.file.getvalue()
    assert "1/2" in console.file.getvalue()
