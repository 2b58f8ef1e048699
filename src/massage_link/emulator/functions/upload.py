"""Code that is sent as multipart/form-data, whole or in chunks. Pure but for :class:`Uploads`, which writes files."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .errors import refusal

if TYPE_CHECKING:
    from pathlib import Path

CHUNK = 5 * 1024 * 1024  # bytes; what the official clients cut files into
LARGEST = 30_000_000  # bytes, as on a stock server
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)\Z")
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_FIELD = re.compile(r'[;\s](name|filename)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a form; ``filename`` is None for plain text."""

    name: str
    filename: str | None
    data: bytes


def read_form(content_type: str, body: bytes) -> dict[str, Part]:
    """The fields of a multipart body by name; an unreadable body has none."""
    match = _BOUNDARY.search(content_type)
    if match is None:
        return {}
    parts = (_part(raw) for raw in body.split(b"--" + match.group(1).encode())[1:-1])
    return {part.name: part for part in parts if part is not None}


def _part(raw: bytes) -> Part | None:
    head, found, data = raw.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    lines = head.decode("utf-8", "replace").split("\r\n")
    disposition = next((line for line in lines if line.lower().startswith("content-disposition:")), "")
    names = dict(_FIELD.findall(disposition))
    if not found or "name" not in names:
        return None
    return Part(names["name"], names.get("filename"), data.removesuffix(b"\r\n"))


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file: where it begins, and how long the whole is (bytes)."""

    start: int
    size: int
    data: bytes

    @property
    def total(self) -> int:
        """How many chunks the whole has."""
        return max(1, -(-self.size // CHUNK))


def read_chunk(content_range: str | None, data: bytes) -> Chunk:
    """The chunk that a request brings. Raises AppwriteError (400) for a bad ``Content-Range`` or too large a file."""
    if not content_range:
        chunk = Chunk(0, len(data), data)
    else:
        match = _RANGE.match(content_range)
        if match is None or int(match.group(2)) > int(match.group(3)):
            raise refusal("storage_invalid_content_range")
        chunk = Chunk(int(match.group(1)), int(match.group(3)), data)
    if chunk.size > LARGEST:
        raise refusal("deployment_invalid_file_size")
    return chunk


@dataclass
class Uploads:
    """Files in the making, by deployment id."""

    _received: dict[str, set[int]] = field(default_factory=dict)

    def add(self, id: str, path: Path, chunk: Chunk) -> bool:
        """Write ``chunk`` to its place in ``path``; True when the file is complete."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.seek(chunk.start)
            file.write(chunk.data)
        received = self._received.setdefault(id, set())
        received.add(chunk.start // CHUNK)
        if len(received) < chunk.total:
            return False
        del self._received[id]
        return True
