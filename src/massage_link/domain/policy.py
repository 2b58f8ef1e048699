"""What a cancellation or a no-show costs: frozen when the booking is made, quoted before it is confirmed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from massage_link.domain.money import Money
from massage_link.errors import InvalidInput

__all__ = ["CancellationPolicy", "parse_policy", "share_of"]

_WHOLE_BPS = 10_000
_Bps = Annotated[int, Field(ge=0, le=_WHOLE_BPS)]


class CancellationPolicy(BaseModel):
    """What a customer owes who cancels late or does not come. A cancellation by the therapist costs nothing.

    Attributes:
        free_until_hours: until so many hours before the start an accepted booking is cancelled free of charge.
        fee_bps: share of the price, in basis points, that a later cancellation costs.
        no_show_bps: share of the price that a no-show costs.
        platform_bps: the platform's share of the fee; None takes the booking's commission rate.

    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")

    free_until_hours: Annotated[int, Field(ge=0, le=24 * 60)] = 24
    fee_bps: _Bps = 5_000
    no_show_bps: _Bps = _WHOLE_BPS
    platform_bps: _Bps | None = None

    def cancellation_fee(self, price: Money, *, starts_at: datetime, now: datetime) -> Money:
        """What the customer owes who cancels an accepted booking at this moment."""
        if now <= starts_at - timedelta(hours=self.free_until_hours):
            return Money(0, price.currency)
        return share_of(price, self.fee_bps)

    def no_show_fee(self, price: Money) -> Money:
        """What the customer owes who did not come."""
        return share_of(price, self.no_show_bps)

    def text(self) -> str:
        """The policy as it is stored: JSON."""
        return self.model_dump_json(by_alias=True)


def share_of(amount: Money, bps: int) -> Money:
    """A share in basis points of an amount that is not negative, half-up to the minor unit."""
    return Money((amount.minor * bps + _WHOLE_BPS // 2) // _WHOLE_BPS, amount.currency)


def parse_policy(text: str) -> CancellationPolicy | None:
    """The policy that a row holds as JSON; None for an empty text.

    Raises:
        InvalidInput: it is malformed.

    """
    if not text:
        return None
    try:
        return CancellationPolicy.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"]) or "text"
        raise InvalidInput(f"the cancellation policy is malformed: {where}: {fault['msg']}.") from None
