"""``massage-link chat``: read and write conversations; for ops, close and open them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from massage_link.cli.options import (
    Acting,
    AsJson,
    EnvFile,
    Limit,
    connected,
    instant,
    print_json,
    print_rows,
    typed_text,
)

if TYPE_CHECKING:
    from massage_link.domain.chat import ChatMessage, ChatRoom
    from massage_link.domain.conversation import Entry

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Read and write conversations; for ops, close and open them.")
_ENV = Path(".env")
_Booking = Annotated[str, typer.Argument(metavar="BOOKING", help="Id of the booking, which is that of its room.")]
_Number = Annotated[int, typer.Argument(metavar="N", help="Number of the message.")]
_Text = Annotated[str, typer.Argument(metavar="TEXT", help="Plain text; - reads it from standard input.")]
_ClientId = Annotated[
    str | None, typer.Option("--client-id", metavar="ID", help="Your own id for it: a repeat changes nothing.")
]


@app.command()
def rooms(
    *,
    acting: Acting = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    env_file: EnvFile = _ENV,
) -> None:
    """List rooms, newest first; with --as those of one customer or therapist."""
    from itertools import islice

    with connected(env_file) as link:
        if acting is None:
            found = link.chat.rooms(limit=limit)
        else:
            both = (link.chat.rooms(**{part: acting}, limit=limit) for part in ("customer_id", "therapist_id"))
            found = islice((room for part in both for room in part), limit)
        print_rows(found, _room, as_json=as_json, nothing="No room is open.")


@app.command()
def read(
    booking: _Booking,
    *,
    last: Annotated[int, typer.Option(min=1, max=5_000, help="So many messages, from the end.")] = 50,
    raw: Annotated[
        bool, typer.Option("--raw", help="Every message as it was written: edits are not folded in.")
    ] = False,
    as_json: AsJson = False,
    env_file: EnvFile = _ENV,
) -> None:
    """Print a conversation, edits and deletions folded in."""
    from massage_link.worker.describing import plain

    with connected(env_file) as link:
        link.chat.room(booking)
        if raw:
            messages = list(link.chat.messages(booking, newest_first=True, limit=last))
            print_rows(reversed(messages), _message, as_json=as_json, nothing="")
            return
        for entry in link.chat.conversation(booking, last=last):
            if as_json:
                print_json(_entry_facts(entry))
            else:
                typer.echo(plain(_entry(entry)))


@app.command()
def send(
    booking: _Booking,
    text: _Text,
    *,
    acting: Acting = None,
    client_id: _ClientId = None,
    as_json: AsJson = False,
    env_file: EnvFile = _ENV,
) -> None:
    """Send a message."""
    with connected(env_file) as link:
        sent = link.chat.send(booking, typed_text(text), sender_id=acting, client_id=client_id)
    _told(sent, f"Sent as message {sent.n}.", as_json=as_json)


@app.command()
def edit(
    booking: _Booking,
    n: _Number,
    text: _Text,
    *,
    acting: Acting = None,
    client_id: _ClientId = None,
    as_json: AsJson = False,
    env_file: EnvFile = _ENV,
) -> None:
    """Give one's own message another text, within fifteen minutes."""
    with connected(env_file) as link:
        told = link.chat.edit(booking, n, typed_text(text), sender_id=acting, client_id=client_id)
    _told(told, f"Message {n} reads otherwise now (message {told.n} says so).", as_json=as_json)


@app.command()
def delete(
    booking: _Booking,
    n: _Number,
    *,
    acting: Acting = None,
    client_id: _ClientId = None,
    as_json: AsJson = False,
    env_file: EnvFile = _ENV,
) -> None:
    """Take one's own message back, within fifteen minutes."""
    with connected(env_file) as link:
        told = link.chat.delete(booking, n, sender_id=acting, client_id=client_id)
    _told(told, f"Message {n} is not shown any more (message {told.n} says so).", as_json=as_json)


@app.command()
def mark(
    booking: _Booking,
    n: _Number,
    *,
    acting: Acting = None,
    as_json: AsJson = False,
    env_file: EnvFile = _ENV,
) -> None:
    """Note that a room was read up to a message."""
    with connected(env_file) as link:
        noted = link.chat.mark_read(booking, n, user_id=acting)
    _told(noted, f"Read up to message {noted.n}.", as_json=as_json)


@app.command()
def unread(
    booking: Annotated[str | None, typer.Argument(metavar="[BOOKING]", help="Left out: all rooms.")] = None,
    *,
    acting: Acting = None,
    as_json: AsJson = False,
    env_file: EnvFile = _ENV,
) -> None:
    """Count what the other side said and was not read yet."""
    with connected(env_file) as link:
        if booking is None:
            found = link.chat.unread_total(user_id=acting)
            total, by_room = found.total, dict(found.rooms)
        else:
            total = link.chat.unread(booking, user_id=acting)
            by_room = {booking: total} if total else {}
    if as_json:
        print_json({"total": total, "rooms": by_room})
        return
    for room_id, count in by_room.items():
        typer.echo(f"{count:>5}  {room_id}")
    typer.echo(f"{total:>5}  unread")


@app.command()
def watch(
    booking: Annotated[str | None, typer.Argument(metavar="[BOOKING]", help="Left out: all rooms of the user.")] = None,
    *,
    acting: Acting = None,
    as_json: AsJson = False,
    env_file: EnvFile = _ENV,
) -> None:
    """Print messages as they come, every one, in order, until interrupted."""
    from massage_link.worker.describing import as_json as change_as_json
    from massage_link.worker.describing import plain

    with connected(env_file) as link:
        user = link if acting is None else link.as_user(acting)
        with user.chat.watch(booking_id=booking) as changes:
            for change in changes:
                typer.echo(
                    change_as_json(change) if as_json else plain(f"{_message(change.row)} [{change.row.room_id}]")
                )


@app.command()
def freeze(booking: _Booking, *, as_json: AsJson = False, env_file: EnvFile = _ENV) -> None:
    """Close a conversation now (ops)."""
    with connected(env_file) as link:
        room = link.chat.freeze(booking)
    _told(room, "Closed: nothing can be written to it.", as_json=as_json)


@app.command()
def reopen(
    booking: _Booking,
    *,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="When it freezes, with its zone; left out: in 48 hours.")
    ] = None,
    as_json: AsJson = False,
    env_file: EnvFile = _ENV,
) -> None:
    """Open a conversation again (ops)."""
    with connected(env_file) as link:
        room = link.chat.reopen(booking, until=None if until is None else instant("--until", until))
    _told(room, f"Open until {room.freezes_at:%Y-%m-%d %H:%M} UTC.", as_json=as_json)


# --- in words ---------------------------------------------------------------------------------------------------------
def _told(row: Any, sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json(row.model_dump(mode="json", by_alias=True))
    else:
        typer.echo(sentence)


def _room(room: ChatRoom) -> str:
    people = f"{room.customer_id} and {room.therapist_id}"
    return f"{room.id}  {room.status}  {room.message_count:>4} messages  {people}  {room.service}: {room.last_message}"


def _message(message: ChatMessage) -> str:
    of = f" of {message.refers_to}" if message.refers_to is not None else ""
    kind = "" if message.kind.value == "user" else f" ({message.kind}{of})"
    return f"{message.n:>4}  {message.sent_at:%Y-%m-%d %H:%M}  {message.sender_id}{kind}: {message.body}"


def _entry(entry: Entry) -> str:
    text = "(deleted)" if entry.deleted_at else f"{entry.body}{' (edited)' if entry.edited_at else ''}"
    return f"{entry.n:>4}  {entry.sent_at:%Y-%m-%d %H:%M}  {entry.sender_id}: {text}"


def _entry_facts(entry: Entry) -> dict[str, Any]:
    times = {"sentAt": entry.sent_at, "editedAt": entry.edited_at, "deletedAt": entry.deleted_at}
    return {
        "n": entry.n,
        "senderId": entry.sender_id,
        "kind": entry.kind.value,
        "body": entry.body,
        **{name: None if at is None else at.isoformat() for name, at in times.items()},
    }
