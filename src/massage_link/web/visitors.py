"""Who is signed in: one Appwrite session per user and browser, kept on the server.

The browser holds a random token in a cookie that scripts cannot read; the session's secret never leaves the server.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from massage_link.client.account import Account
from massage_link.client.link import AsyncMassageLink
from massage_link.domain.people import Therapist
from massage_link.errors import MassageLinkError, NotFound, SettingsError, Unauthorized
from massage_link.web.feed import Feed

__all__ = ["COOKIE", "Part", "Visitor", "Visitors"]

#: Name of the cookie that holds a visitor's token.
COOKIE = "massage_link_visitor"
_OPS = "ops"
_log = logging.getLogger("massage_link.web")


class Part(StrEnum):
    """As what somebody uses the pages."""

    CUSTOMER = "customer"
    THERAPIST = "therapist"
    OPS = "ops"


@dataclass(slots=True)
class Visitor:
    """Somebody who is signed in.

    Attributes:
        link: acts with their session.
        account: who they are.
        catalogue: what they offer, when they are a therapist.
        feed: what they may see, kept up to date while a page of theirs is open.
        chat: booking id of the conversation that is open; None for none.
        drafts: messages that are being written, by booking id.

    """

    link: AsyncMassageLink = field(repr=False)
    account: Account
    catalogue: Therapist | None
    feed: Feed
    chat: str | None = None
    drafts: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Their user id."""
        return self.account.id

    @property
    def name(self) -> str:
        """What they are called."""
        return self.account.name or (self.catalogue.name if self.catalogue else "") or self.id

    @property
    def part(self) -> Part:
        """As what they use the pages."""
        if self.catalogue is not None:
            return Part.THERAPIST
        return Part.OPS if _OPS in self.account.labels else Part.CUSTOMER


class Visitors:
    """Everybody who is signed in.

    Args:
        guest: a link that acts as nobody; visitors' links share its connections.
        as_session: makes the link that acts with a session's secret.
        file: where sign-ins are kept over restarts, readable by its owner only; None keeps them in memory.

    Raises:
        SettingsError: the file cannot be read, or holds something else.

    """

    def __init__(
        self,
        guest: AsyncMassageLink,
        as_session: Callable[[str], AsyncMassageLink],
        file: Path | None = None,
    ) -> None:
        self._guest = guest
        self._as_session = as_session
        self._file = file
        self._secrets: dict[str, str] = dict(_read(file)) if file is not None else {}
        self._present: dict[str, Visitor] = {}

    async def sign_in(self, email: str, password: str) -> str:
        """Sign somebody in; gives the token for the cookie.

        Raises:
            Unauthorized: email and password do not match.

        """
        link = await self._guest.sign_in(email, password)
        _, secret = await link.proof()
        token = secrets.token_urlsafe(32)
        self._present[_hidden(token)] = await _introduced(link)
        self._secrets[_hidden(token)] = secret
        self._save()
        return token

    async def find(self, token: str | None) -> Visitor | None:
        """The visitor whose token it is; None when nobody's, or their session has ended.

        Raises:
            MassageLinkError: somebody who was signed in before a restart cannot be looked up now.

        """
        key = _hidden(token or "")
        secret = self._secrets.get(key)
        if secret is None:
            return None
        visitor = self._present.get(key)
        if visitor is not None and not visitor.feed.signed_out:
            return visitor
        try:
            visitor = await _introduced(self._as_session(secret))
        except Unauthorized:
            await self._forget(key)
            return None
        return self._present.setdefault(key, visitor)

    async def sign_out(self, token: str | None) -> None:
        """End the session, on the server too."""
        visitor = await self._forget(_hidden(token or ""))
        if visitor is not None:
            with suppress(MassageLinkError):  # it may have ended already; what counts is that nobody holds it any more
                await visitor.link.account.sign_out()

    async def aclose(self) -> None:
        """End what runs for visitors; they stay signed in."""
        for visitor in self._present.values():
            await visitor.feed.aclose()

    async def _forget(self, key: str) -> Visitor | None:
        known = self._secrets.pop(key, None)
        visitor = self._present.pop(key, None)
        if known is not None:
            self._save()
        if visitor is not None:
            await visitor.feed.aclose()
        return visitor

    def _save(self) -> None:
        if self._file is not None:
            content = {"savedAt": int(time.time()), "sessions": self._secrets}
            descriptor, name = tempfile.mkstemp(dir=self._file.absolute().parent, prefix=".sessions-")
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(content, file)
            Path(name).replace(self._file)


async def _introduced(link: AsyncMassageLink) -> Visitor:
    account = await link.account.get()
    catalogue = None
    with suppress(NotFound):
        catalogue = await link.availability.therapist(account.id)
    return Visitor(link, account, catalogue, Feed(link, account.id))


def _hidden(token: str) -> str:
    # What is kept does not let its reader in.
    return hashlib.sha256(token.encode()).hexdigest()


def _read(file: Path) -> Iterator[tuple[str, str]]:
    try:
        if not file.parent.is_dir():
            raise SettingsError(f"the folder of {file} is not there.")
        if file.exists():
            yield from json.loads(file.read_text(encoding="utf-8"))["sessions"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{file} holds no sign-ins of ours ({type(error).__name__}); name another file.") from None
