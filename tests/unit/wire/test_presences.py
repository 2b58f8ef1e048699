"""Calls on presences, and what their answers are read as."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from massage_link.wire.call import Reply
from massage_link.wire.presences import list_presences, put_presence


def test_a_presence_is_put_under_its_id_and_read_back() -> None:
    call = put_presence("0a", {"status": "typing"})
    assert (call.method, call.path, call.body, call.repeatable) == ("PUT", "/presences/0a", {"status": "typing"}, True)
    answer = {"$id": "0a", "userId": "zoe", "status": "typing", "expiresAt": "2026-11-23T08:00:00.000+00:00"}
    said = call.parse(Reply(200, {}, json.dumps({**answer, "metadata": {"room": "b1"}}).encode()))
    assert (said.user_id, said.status, said.metadata) == ("zoe", "typing", {"room": "b1"})
    assert said.expires_at == datetime(2026, 11, 23, 8, tzinfo=UTC)


@pytest.mark.parametrize("metadata", [{}, []])
def test_without_metadata_there_is_an_empty_object_or_what_php_makes_of_it(metadata: object) -> None:
    call = list_presences(['{"method":"limit","values":[1]}'])
    assert call.path.startswith("/presences?queries")
    answer = {"total": 1, "presences": [{"userId": "zoe", "status": "online", "metadata": metadata}]}
    (said,) = call.parse(Reply(200, {}, json.dumps(answer).encode()))
    assert not said.metadata
    assert said.expires_at is None


def test_an_answer_that_is_none_is_told() -> None:
    with pytest.raises(ValueError, match="presences"):
        list_presences([]).parse(Reply(200, {}, b"{}"))
