"""``link.account``: who is signed in."""

from __future__ import annotations

from massage_link.client.operation import AsyncResource, Resource, SyncResource, operation
from massage_link.wire.call import Flow
from massage_link.wire.users import Account, account, sign_out

__all__ = ["Account", "AccountOperations", "AccountResource", "AsyncAccountResource"]


class AccountOperations(Resource):
    """What a signed-in user can ask about themselves, defined once."""

    @operation
    def get(self) -> Flow[Account]:
        """The user whom the session or JWT belongs to.

        Raises:
            CredentialRequired: the link acts with a key, or as a guest.
            Unauthorized: the session has ended, or the JWT is too old.

        """
        self.link.require_session("account.get")
        return (yield from account())

    @operation
    def sign_out(self) -> Flow[None]:
        """End the session that the link acts with; the link is of no use afterwards. Errors as `get`."""
        self.link.require_session("account.sign_out")
        yield from sign_out()


class AccountResource(AccountOperations, SyncResource):
    """The account, blocking."""


class AsyncAccountResource(AccountOperations, AsyncResource):
    """The account, awaited."""
