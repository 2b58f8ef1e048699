"""Calls that run a function and wait for its answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from massage_link.wire.call import Call, parsed, path

__all__ = ["CALLER_JWT", "Execution", "execute"]

#: Header of an execution in which its caller shows a JWT of their own.
CALLER_JWT = "x-massage-link-jwt"


class Execution(BaseModel):
    """How a function's execution ended.

    Attributes:
        status: "completed", or "failed" when the function raised, timed out or answered 5xx.
        response_status: the function's own HTTP status.
        response_body: the function's own answer.

    """

    id: str = Field(alias="$id")
    status: str
    response_status: int = Field(alias="responseStatusCode")
    response_body: str = Field(alias="responseBody")


def execute(function_id: str, body: Mapping[str, Any]) -> Call[Execution]:
    """Run a function as the link's user and wait for it. Repeatable: our functions' commands carry their own ids.

    Appwrite hands a function a JWT of a caller who has a session. A caller who acts by a JWT shows it in `CALLER_JWT`.
    """
    request = {"body": json.dumps(body, ensure_ascii=False), "async": False, "path": "/", "method": "POST"}
    address = path("functions", function_id, "executions")
    return Call("POST", address, parsed(Execution), request, repeatable=True, vouched_as=CALLER_JWT)
