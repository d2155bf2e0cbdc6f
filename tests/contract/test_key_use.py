"""The last use of API keys, on every ledger."""

from ledger_harness import START_MS, LedgerHarness


def test_the_last_use_of_each_key_is_remembered(harness: LedgerHarness) -> None:
    assert harness.key_use.last_used_ms() == {}
    harness.key_use.record({"k1", "k2"})
    harness.advance(60_000)
    harness.key_use.record({"k2"})
    harness.key_use.record(set())
    assert harness.key_use.last_used_ms() == {"k1": START_MS, "k2": START_MS + 60_000}
