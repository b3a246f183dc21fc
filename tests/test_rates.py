"""How often rooms may be changed: buckets by user and by address, on a fake clock."""

from __future__ import annotations

from contextlib import suppress

import pytest

from chatlab.chat.rates import BUCKETS_MAX, OF_A_USER, OF_AN_ADDRESS, ChangeRates, network
from chatlab.errors import Refusal
from tests.support.parts import FakeClock


def paid(rates: ChangeRates, user: str, wanted: int) -> int:
    """How many changes a user gets."""
    tried = 0
    with suppress(Refusal):
        while tried < wanted:
            rates.pay(user)
            tried += 1
    return tried


def test_a_user_gets_a_burst_then_a_rate_and_never_more_than_a_burst() -> None:
    clock = FakeClock()
    rates, burst = ChangeRates(clock, lambda _: None), OF_A_USER[0]
    assert paid(rates, "alice", burst + 1) == burst
    with pytest.raises(Refusal, match="in 1 s"):
        rates.pay("alice")
    clock.advance(5 * OF_A_USER[1])
    assert paid(rates, "alice", burst) == 5
    assert paid(rates, "bob", burst) == burst  # a user's own
    clock.advance(1e6)
    assert paid(rates, "alice", burst + 1) == burst


def test_one_address_cannot_get_more_by_taking_other_names() -> None:
    rates = ChangeRates(clock := FakeClock(), lambda user: (user[:2], 1234))
    each, burst = OF_A_USER[0], OF_AN_ADDRESS[0]
    got = sum(paid(rates, f"a:{n}", each) for n in range(burst // each + 10))
    assert got == burst
    assert paid(rates, "b:0", each) == each  # another address
    clock.advance(1)
    assert paid(rates, "a:new", each) == 1 / OF_AN_ADDRESS[1]


def test_buckets_are_bounded_and_those_in_use_are_kept() -> None:
    rates = ChangeRates(clock := FakeClock(), lambda user: (user, 1))
    assert paid(rates, "alice", 1_000) == OF_A_USER[0]
    for n in range(BUCKETS_MAX):
        rates.pay(f"user-{n}")
        if n % 1_000 == 0:
            clock.advance(OF_A_USER[1])
            rates.pay("alice")
    assert len(rates._of_users._full_at) == BUCKETS_MAX
    assert paid(rates, "alice", 1) == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("10.0.0.1", 1), ("10.0.0.1", 2), True),
        (("10.0.0.1", 1), ("10.0.0.2", 1), False),
        (("2001:db8::1", 1, 0, 0), ("2001:db8::ffff:1", 2, 0, 0), True),
        (("2001:db8::1", 1, 0, 0), ("2001:db8:0:1::1", 1, 0, 0), False),
        (("fe80::1%eth0", 1, 0, 2), ("fe80::2%eth0", 1, 0, 2), True),
        (None, "", True),
    ],
)
def test_what_counts_as_one_address(one: object, other: object, same: bool) -> None:
    assert (network(one) == network(other)) == same
