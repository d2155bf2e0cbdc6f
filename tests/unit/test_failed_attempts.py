"""The limit on invalid credentials by address."""

from seewhy_api.http.failed_attempts import (
    MAX_ADDRESSES,
    MAX_FAILURES,
    WINDOW_S,
    FailedAttempts,
)


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_an_address_is_limited_after_twenty_failures_until_the_minute_ends() -> None:
    clock = Clock()
    failures = FailedAttempts(clock=clock)
    for _ in range(MAX_FAILURES):
        assert failures.retry_after_s("10.0.0.1") == 0
        failures.add("10.0.0.1")
    clock.seconds += 10
    assert failures.retry_after_s("10.0.0.1") == 50
    assert failures.retry_after_s("10.0.0.2") == 0
    clock.seconds += WINDOW_S - 10
    assert failures.retry_after_s("10.0.0.1") == 0


def test_one_failure_in_a_minute_is_logged() -> None:
    clock = Clock()
    failures = FailedAttempts(clock=clock)
    assert [failures.add("10.0.0.1") for _ in range(3)] == [True, False, False]
    assert failures.add("10.0.0.2")
    clock.seconds += WINDOW_S
    assert failures.add("10.0.0.1")


def test_the_addresses_of_an_ipv6_network_count_as_one() -> None:
    failures = FailedAttempts()
    for number in range(MAX_FAILURES):
        failures.add(f"2001:db8:0:1::{number:x}")
    assert failures.retry_after_s("2001:db8:0:1:ffff::1") > 0
    assert failures.retry_after_s("2001:db8:0:2::1") == 0


def test_ipv4_addresses_in_ipv6_notation_are_told_apart() -> None:
    failures = FailedAttempts()
    for _ in range(MAX_FAILURES):
        failures.add("::ffff:10.0.0.1")
    assert failures.retry_after_s("::ffff:10.0.0.2") == 0


def test_memory_is_bounded_and_the_address_that_failed_longest_ago_is_forgotten() -> None:
    failures = FailedAttempts()
    for number in range(MAX_ADDRESSES + 10):
        for _ in range(MAX_FAILURES if number < 2 else 1):
            failures.add(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}")
    assert len(failures._windows) == MAX_ADDRESSES
    assert failures.retry_after_s("10.0.0.0") == 0


def test_an_unknown_address_has_a_limit_too() -> None:
    failures = FailedAttempts()
    for _ in range(MAX_FAILURES):
        failures.add("")
    assert failures.retry_after_s("") > 0
