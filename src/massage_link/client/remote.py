"""A signed-in user's way to write: the same use case, run by the `commands` function."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from massage_link.domain.rows import to_wire_time
from massage_link.errors import CredentialRequired, InvalidInput, OutcomeUnknown, RowNotFound, UnexpectedAnswer
from massage_link.usecases.ports import Ports
from massage_link.usecases.reported import revive
from massage_link.wire.call import Flow, Sleep
from massage_link.wire.executions import Execution, execute

__all__ = ["remote"]

T = TypeVar("T")
_ATTEMPTS = 3
_FIRST_PAUSE = 0.1


def remote(ports: Ports, command: str, arguments: Mapping[str, Any], parse: Callable[[Any], T]) -> Flow[T]:
    """Have a command run; its errors are raised as if it had run here.

    Every command carries an id of its own (idempotency key, command id, client id), so a repeat after an unclear answer
    changes nothing more.

    Args:
        ports: surroundings.
        command: its name.
        arguments: by their wire names; None leaves one out.
        parse: makes the result of the JSON.

    Raises:
        InvalidInput: an argument that can not be said, or a time without a time zone.
        CredentialRequired: the function is not deployed, or this user may not run it.
        OutcomeUnknown: the function failed each time, after it may have done its work.

    """
    said = {name: _wire(name, value) for name, value in arguments.items() if value is not None}
    function = ports.commands_function
    execution: Execution | None = None
    for attempt in range(_ATTEMPTS):
        try:
            execution = yield from execute(function, {"command": command, "arguments": said})
        except RowNotFound as error:
            raise CredentialRequired(
                f"{command} as a user needs the function {function!r}, which this server does not have; "
                "deploy it (appwrite push functions), or use an API key."
            ) from error
        if execution.status == "completed":
            return _result(command, function, execution, parse)
        yield from Sleep(ports.jitter(_FIRST_PAUSE * 2**attempt))
    assert execution is not None
    raise OutcomeUnknown(
        f"{command}: the function {function!r} failed {_ATTEMPTS} times "
        f"(execution {execution.id}, status {execution.response_status}); read what it was about before repeating it."
    )


def _result(command: str, function: str, execution: Execution, parse: Callable[[Any], T]) -> T:
    try:
        answer = json.loads(execution.response_body)
        if execution.response_status == 200:
            return parse(answer["result"])
        error = revive(answer["error"])
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise UnexpectedAnswer(
            f"{command}: the function {function!r} answered {execution.response_status} with a body that is "
            "not ours; is another version of it deployed?"
        ) from fault
    raise error


def _wire(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        if value.tzinfo is None:  # it would silently be read in the time zone of this machine
            raise InvalidInput(f"{name} is a datetime with a time zone, not {value!r}.")
        return to_wire_time(value)
    if not isinstance(value, str | int | float):
        raise InvalidInput(f"{name} is nothing that a command can be told: {value!r}.")
    return value
