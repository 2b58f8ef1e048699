"""Every text of the pages, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from massage_link.domain.booking import Booking, BookingEventType, Role, Status
from massage_link.domain.policy import CancellationPolicy
from massage_link.errors import (
    IllegalTransition,
    MassageLinkError,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    SlotTaken,
    StaleBooking,
    TransportError,
    Unauthorized,
)
from massage_link.health import State

__all__ = ["STATUS", "day", "duration", "hours", "refusal", "when", "zone_of"]

BRAND = "massage-link"
TAGLINE = "Good hands, on time."
ENTRANCE = (
    "Request a massage and see the answer the moment it is given. For therapists: every request on your desk, live."
)

# --- signing in -------------------------------------------------------------------------------------------------------
SIGN_IN = "Sign in"
SIGN_OUT = "Sign out"
EMAIL = "Email"
PASSWORD = "Password"  # noqa: S105 - a label
WELCOME = "Welcome back"
WRONG_PASSWORD = "No account has this email and password."  # noqa: S105
SIGN_IN_AGAIN = "Your sign-in has ended. Please sign in again."
SIGNED_OUT = "You are signed out."
TOO_MANY_TRIES = "Too many attempts. Please wait a minute and try again."
NO_SERVER = "The booking service cannot be reached at the moment. Please try again shortly."
NOT_FROM_HERE = "This form was sent from another site."
SAMPLES = "Sample accounts"
SAMPLES_HINT = "This is a demonstration on an embedded server. Pick somebody to be: one click signs you in."
SAMPLE_PASSWORD = "All of them have the password"  # noqa: S105

# --- frame ------------------------------------------------------------------------------------------------------------
SKIP = "Skip to the content"
MAIN_NAVIGATION = "Main"
NAV_DESK = "Desk"
NAV_BOOK = "Book"
NAV_MINE = "My bookings"
NAV_EARNINGS = "Earnings"
NAV_STATUS = "Status"
NAV_BUSINESS = "Business"
THEME = "Light or dark"
LIVE = "Live"
CONNECTING = "Connecting"
CATCHING_UP = "Catching up"
RECONNECTING = "Reconnecting"
CLOSED = "Not connected"
WAITING_FOR_SERVER = "The connection to the booking service is lost. What you see may be old; it is being restored."
UP_TO_DATE = "Everything is up to date."
NOT_THERE = "There is nothing here"
NOT_THERE_HINT = "The address is wrong, or what it names is not yours to see."
BACK = "Back to the start"
CLOSE = "Close"
CANCEL = "Never mind"

# --- the therapist's desk ---------------------------------------------------------------------------------------------
ONLINE = "Taking bookings"
OFFLINE = "Taking none"
ONLINE_SAID = "You can be booked."
OFFLINE_SAID = "You cannot be booked for now. What is booked stays."
REQUESTS = "Requests"
NO_REQUESTS = "No requests are waiting."
NO_REQUESTS_HINT = "A new one appears here by itself."
TO_ANSWER = "left to answer"
EXPIRED = "expired"
ACCEPT = "Accept"
DECLINE = "Decline"
ACCEPTED = "Accepted. The customer has been told."
DECLINED = "Declined. The customer has been told."
WHY_DECLINE = "Decline this request"
REASON = "Reason"
REASON_HINT = "The customer reads this. It may stay empty."
OVERVIEW = "At a glance"
THIS_WEEK = "Next 7 days"
EARNED = "Earned this month"
TODAY = "Today"
COMING = "Coming up"
NOTHING_TODAY = "Nothing today."
NOTHING_COMING = "Nothing accepted yet."
START = "Start"
COMPLETE = "Complete"
STARTED = "Started."
COMPLETED = "Completed. Well done."
YOUR_SHARE = "your share"
ALERTS = "Hear new requests"
ALERTS_HINT = "A short sound and a notification when a request comes in, even when this tab is in the background."
ALERTS_ON = "Turn on"
ALERTS_LATER = "Not now"
ALERTS_DONE = "You will hear new requests."
ALERTS_SOUND_ONLY = "You will hear new requests. The browser shows no notifications, which is fine."
NEW_REQUEST = "New request"
ADDRESS = "Address"

# --- business ---------------------------------------------------------------------------------------------------------
BUSINESS = "The business"
IN_PROGRESS = "In progress"
BY_DAY = "Agreed bookings by day"
BY_STATE = "By state"
BY_THERAPIST = "By therapist"
LATEST = "Latest changes"
CUSTOMER = "Customer"
THERAPIST = "Therapist"
STATE_OF = "State"
MONEY = "Money"
NO_MONEY = "Nothing is on the books yet."
CURRENCY = "Currency"
BOOKINGS = "Bookings"
GROSS = "Customers pay"
EARNED_BY_US = "Platform keeps"
THERAPISTS_SHARE = "Therapists' share"
REFUNDED = "Refunded"
BOOKS = "The books of the last 24 hours"
COMPARE = "Compare again"
COMPARING = "Comparing bookings, commissions and ledger entries …"
BOOKS_AGREE = "Bookings, commissions and ledger entries tell the same: the difference is 0."
BOOKS_DIFFER = "They do not tell the same."

# --- analytics --------------------------------------------------------------------------------------------------------
ANALYTICS = "How it does"
PERIOD = "Period"
COUNTING = "Counting what happened …"
COUNT_AGAIN = "Count again"
NOTHING_HAPPENED = "Nothing happened in this period."
REQUESTED = "Requested"
WAS_ACCEPTED = "Accepted"
WAS_COMPLETED = "Completed"
WAS_CANCELLED = "Cancelled"
NO_SHOWS = "No-shows"
ANSWER_P50 = "Answer p50"
ANSWER_P90 = "Answer p90"
ANSWER_HINT = "Half of the requests are answered within the time p50, nine of ten within p90."
REVENUE = "Revenue"
BOOKINGS_A_DAY = "Bookings by day"
MONEY_A_DAY = "Money by day"
ALTOGETHER = "Altogether"
BY_SERVICE = "By service"
DAYS_AS_CSV = "Days as CSV"

# --- earnings ---------------------------------------------------------------------------------------------------------
EARLIER_MONTH = "Month before"
LATER_MONTH = "Month after"
AS_CSV = "Download as CSV"
NOTHING_EARNED = "Nothing in this month."
NOTHING_EARNED_HINT = "Completed bookings appear here by themselves."
OPENING = "Owed at the beginning"
EARNED_SHARE = "Your share"
PAID_OUT = "Paid out"
OWED = "Owed at the end"
LINES = "What changed it"
WHAT = "What"
COMMISSION = "Commission"
AMOUNT = "Your share"
BALANCE = "Owed"

# --- the customer -----------------------------------------------------------------------------------------------------
CHOOSE_THERAPIST = "Who shall it be?"
CHOOSE_SERVICE = "Which massage?"
CHOOSE_TIME = "When?"
YOUR_DETAILS = "Where, and anything to know?"
SUMMARY = "Your booking"
SUMMARY_HINT = "Choose somebody to begin with."
DAY = "Day"
TIME = "Time"
NO_THERAPISTS = "Nobody takes bookings at the moment."
NO_SLOTS = "Nothing is free on this day."
LOOKING = "Looking for free times …"
AREA = "Area"
AREA_HINT = "The therapist sees this at once, such as Berlin-Mitte."
FULL_ADDRESS = "Address"
FULL_ADDRESS_HINT = "The therapist sees this once the booking is accepted."
NOTE = "Note for the therapist"
SEND_REQUEST = "Request this booking"
REQUEST_SENT = "Your request is sent. You will see the answer here the moment it comes."
NO_BOOKINGS = "You have no bookings yet."
BOOK_ONE = "Book a massage"
ANSWER_BY = "to be answered within"
CANCEL_BOOKING = "Cancel booking"
CANCEL_FREE = "Cancelling now is free of charge."
CANCEL_CONFIRM = "Cancel this booking"
KEEP = "Keep it"
CANCELLED = "The booking is cancelled."
PAST = "Past and cancelled"

# --- chat -------------------------------------------------------------------------------------------------------------
CHAT = "Chat"
INBOX = "Messages"
INBOX_HINT = "Open what is unread"
NO_CHATS = "A conversation opens with each booking."
TAKEN_BACK = "Message taken back"
EDITED = "edited"
MESSAGE = "Message"
SEND = "Send"
CHAT_CLOSED = "This conversation is closed."
CHAT_NOT_OPEN = "The conversation opens in a moment."
YOU = "You"
EARLIER = "Show earlier messages"
READ = "Read"

# --- a booking --------------------------------------------------------------------------------------------------------
BOOKING = "Booking"
HISTORY = "What happened"
DETAILS = "Details"
WHO = "With"
SERVICE = "Service"
WHEN = "When"
PRICE = "Price"

# --- status -----------------------------------------------------------------------------------------------------------
HOME = "Home"
STATUS_TITLE = "How everything is"
CHECK_NOW = "Check now"
CHECK_FAILED = "The check itself could not run. What is shown below is what was found before."
FIRST_CHECK = "The first check is under way."
OVERALL = "Altogether"
COMPONENTS = "Components"
OBJECTIVES = "Response times"
CANARY_HINT = "Measured with bookings of our own that go the whole way, over all checks that are remembered."
FIRST_CANARY = "The first measurement is under way."
NO_CANARY = "Nothing is measured here: this server sends no bookings of its own."
INCIDENTS = "Incidents since the start"
NO_INCIDENTS = "None."
IT_MEANS = "When this does not work"
TO_DO = "To do"
STEP = "Step"
OBJECTIVE = "Objective"
OVER_TIME = "Over time"
NONE = "none"
OVERALL_STATE = {
    State.OK: "Everything works",
    State.DEGRADED: "It works, with limitations",
    State.DOWN: "Something does not work",
    State.UNKNOWN: "Not known",
}
STATE = {
    State.OK: "Works",
    State.DEGRADED: "Degraded",
    State.DOWN: "Down",
    State.UNKNOWN: "Could not be checked",
}
PROBE = {
    "endpoint": "Server",
    "credentials": "Credentials",
    "schema": "Schema",
    "tables": "Tables",
    "realtime": "Live updates",
    "functions": "Functions",
    "sweeper": "Sweeper",
    "clock": "Clocks",
    "ledger": "Ledger",
    "canary": "Trial booking",
    "atomicity": "All or nothing",
    "removal": "Tidying up",
}
STEPS = {
    "realtime connect": "A device connects",
    "alert": "A request reaches the therapist",
    "direct write": "An app's own booking is decided",
    "chat": "A message reaches the other side",
    "room": "The conversation is opened",
    "commission": "The commission is computed",
    "answer": "The answer reaches the customer",
    "command": "A customer's command is carried out",
}

#: What a booking's state is called.
STATUS = {
    Status.PENDING: "Waiting for the answer",
    Status.ACCEPTED: "Accepted",
    Status.DECLINED: "Declined",
    Status.EXPIRED: "Not answered in time",
    Status.CANCELLED: "Cancelled",
    Status.IN_PROGRESS: "In progress",
    Status.COMPLETED: "Completed",
    Status.NO_SHOW: "Did not take place",
}

#: What happened to a booking.
EVENT = {
    BookingEventType.REQUESTED: "Requested",
    BookingEventType.ACCEPTED: "Accepted",
    BookingEventType.DECLINED: "Declined",
    BookingEventType.EXPIRED: "Not answered in time",
    BookingEventType.CANCELLED: "Cancelled",
    BookingEventType.STARTED: "Started",
    BookingEventType.COMPLETED: "Completed",
    BookingEventType.NO_SHOW: "The customer did not come",
    BookingEventType.RESCHEDULED: "Moved to another time",
}
#: Who did it, when they have no name.
ROLE = {Role.CUSTOMER: "Customer", Role.THERAPIST: "Therapist", Role.OPS: "Support", Role.SYSTEM: "Automatically"}


def refusal(error: MassageLinkError) -> str:
    """What went wrong, said to somebody who uses a page and not the SDK."""
    if isinstance(error, SlotTaken):
        return "Somebody else was faster: this time has just been taken. Please choose another."
    if isinstance(error, StaleBooking):
        return "The booking was changed meanwhile. Have a look at it and decide again."
    if isinstance(error, IllegalTransition):
        return "That is not possible any more: the booking has moved on."
    if isinstance(error, NotFound):
        return "This booking is not there, or not yours to see."
    if isinstance(error, OutcomeUnknown | TransportError):
        return "No answer came from the booking service. Wait a moment and look whether it has happened."
    if isinstance(error, RateLimited):
        return "Too much at once. Please wait a minute."
    if isinstance(error, Unauthorized):
        return SIGN_IN_AGAIN
    return _sentence(str(error))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def zone_of(name: str) -> ZoneInfo:
    """The time zone of this name; UTC when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def day(moment: datetime, now: datetime) -> str:
    """A day, as people say it; both instants in the time zone of the place."""
    distance = (moment.date() - now.date()).days
    name = {-1: "Yesterday", 0: "Today", 1: "Tomorrow"}.get(distance)
    plain = f"{moment:%a} {moment.day} {moment:%b}"
    return f"{name}, {plain}" if name else plain


def hours(booking: Booking) -> str:
    """From when to when, on the clocks of the place."""
    zone = zone_of(booking.timezone)
    return f"{booking.starts_at.astimezone(zone):%H:%M} – {booking.ends_at.astimezone(zone):%H:%M}"


def when(booking: Booking, now: datetime) -> str:
    """The time of a booking, on the clocks of the place."""
    zone = zone_of(booking.timezone)
    return f"{day(booking.starts_at.astimezone(zone), now.astimezone(zone))}, {hours(booking)}"


def place_of_zone(zone: ZoneInfo) -> str:
    """Where its clocks hang: ``New York``."""
    return zone.key.rpartition("/")[2].replace("_", " ")


def place_of_clock(booking: Booking) -> str:
    """Whose clocks these are: ``Berlin time``."""
    return f"{place_of_zone(zone_of(booking.timezone))} time"


def clocks_of(zone: ZoneInfo) -> str:
    """By which clocks times are shown."""
    return f"Times are those of {place_of_zone(zone)}."


def from_price(price: str) -> str:
    """The cheapest of several."""
    return f"from {price}"


def changed(booking: Booking) -> str:
    """A booking of the customer's has another state now."""
    return f"{booking.service} with {booking.therapist_name}: {STATUS[booking.status].lower()}."


def policy(policy: CancellationPolicy) -> str:
    """What a cancellation costs, before anything is booked."""
    fee, no_show = f"{policy.fee_bps / 100:g} %", f"{policy.no_show_bps / 100:g} %"
    free = f"Free cancellation until {policy.free_until_hours} hours before."
    return f"{free} Later it costs {fee} of the price; not coming costs {no_show}."


def duration(span: timedelta) -> str:
    """A length of time, coarsely."""
    seconds = int(span.total_seconds())
    if seconds < 90:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{round(minutes / 60)} h"


def count(number: int, one: str, many: str) -> str:
    """``1 request``, ``3 requests``."""
    return f"{number} {one if number == 1 else many}"


def welcome_back(away: timedelta, requests: int, messages: int, changes: int) -> str:
    """What happened while the browser was not connected."""
    parts = [
        count(requests, "new request", "new requests") if requests else "",
        count(messages, "message", "messages") if messages else "",
        count(changes, "other change", "other changes") if changes else "",
    ]
    said = ", ".join(part for part in parts if part) or "nothing new"
    return f"Back after {duration(away)} without a connection: {said}. {UP_TO_DATE}"


def caught_up(missed: int) -> str:
    """The connection to the server is there again."""
    fetched = count(missed, "missed change was", "missed changes were")
    return f"Connected again. {fetched} fetched. {UP_TO_DATE}" if missed else f"Connected again. {UP_TO_DATE}"


def minutes(number: int) -> str:
    """A service's length."""
    return f"{number} min"


def cancel_fee(fee: str, price: str) -> str:
    """What a late cancellation costs."""
    return f"Cancelling now costs {fee} of the {price}, as agreed when you booked."


def request_of(name: str) -> str:
    """A label for a request's card."""
    return f"Request by {name}"


def unread(number: int) -> str:
    """For screen readers."""
    return count(number, "unread message", "unread messages")


def chat_with(name: str) -> str:
    """Title of a conversation."""
    return f"Chat with {name}"


def day_ahead(number: int, moment: datetime) -> str:
    """A day of the days to come."""
    return day(moment + timedelta(days=number), moment).partition(",")[0]


def compared(bookings: int, commissions: int, entries: int) -> str:
    """What was compared."""
    return f"{count(bookings, 'booking', 'bookings')}, {count(commissions, 'commission', 'commissions')}, " + count(
        entries, "ledger entry", "ledger entries"
    )


def faults(number: int) -> str:
    """How much is wrong."""
    return count(number, "difference", "differences")


def last_days(number: int) -> str:
    """A period that ends today."""
    return count(number, "day", "days")


def counted(first: date, last: date, zone: ZoneInfo, at: datetime) -> str:
    """What was counted, and when."""
    span = f"{first.day} {first:%b} – {last.day} {last:%b %Y}"
    return f"{span}, by the days of {place_of_zone(zone)}. Counted at {at.astimezone(zone):%H:%M}."


def and_more(number: int) -> str:
    """What a table leaves out."""
    return f"{number} more, with fewer requests, are in the file."


def rate(share: float | None) -> str:
    """A share in per cent; a dash when there is nothing to share."""
    return "–" if share is None else f"{share:.0%}"


def number_and_rate(number: int, share: float | None) -> str:
    """``12 (80%)``."""
    return f"{number} ({rate(share)})"


def waited(span: timedelta | None) -> str:
    """How long an answer took; a dash when there was none."""
    return "–" if span is None else duration(span)


def by_day(name: str, whole: str, best: date | None, most: str) -> str:
    """For those who cannot see the drawing."""
    peak = f"; most on {best.day} {best:%b}: {most}" if best is not None else ""
    return f"{name} by day: {whole} altogether{peak}"


def month(first: date) -> str:
    """A month, as a title."""
    return f"Earnings in {first:%B %Y}"


def greeting(name: str, moment: datetime) -> str:
    """``Good morning, Mara``."""
    part = "morning" if 4 <= moment.hour < 12 else "afternoon" if 12 <= moment.hour < 18 else "evening"
    return f"Good {part}, {name}"


def checked_at(at: datetime | None, *, checking: bool) -> str:
    """When the last check was."""
    if checking:
        return "Checking …"
    return f"Checked at {at:%H:%M:%S} UTC" if at is not None else "Not checked yet"


def watching_since(at: datetime | None) -> str:
    """Since when it is being watched."""
    return f"Watched since {at:%d %b %Y, %H:%M} UTC." if at is not None else ""


def took(milliseconds_taken: float) -> str:
    """How long a check took."""
    return f"checked in {milliseconds(milliseconds_taken)}"


def milliseconds(number: float) -> str:
    """A time."""
    return f"{number:.0f} ms" if number < 10_000 else f"{number / 1000:.1f} s"


def objective(limit: str, *, met: bool) -> str:
    """Whether an objective is met."""
    return f"{'under' if met else 'over'} {limit}"


def course(states: Sequence[State]) -> str:
    """For those who cannot see the drawing."""
    good = sum(state is State.OK for state in states)
    return f"The last {count(len(states), 'check', 'checks')}: {good} good"


def step_name(step: str) -> str:
    """What a measured step is called; the first of each kind is measured apart, as it finds everything cold."""
    bare = step.removeprefix("first ")
    name = STEPS.get(bare, bare)
    return name if bare == step else f"{name}, the first time"


def course_of(step: str, newest: float) -> str:
    """For those who cannot see the drawing."""
    return f"{step_name(step)}: 95th percentile over time, now {milliseconds(newest)}"


def span(began: datetime, ended: datetime | None, now: datetime) -> str:
    """From when to when an incident lasted."""
    lasted = duration((ended or now) - began)
    return f"{began:%d %b, %H:%M:%S} UTC, {'for' if ended else 'lasting for'} {lasted}"
