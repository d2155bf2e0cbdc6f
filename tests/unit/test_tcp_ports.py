"""The choice of free ports."""

import random

from seewhy.embedded.tcp_ports import free_port


def test_processes_with_the_same_seed_choose_different_ports() -> None:
    chosen = set()
    for _ in range(3):
        random.seed(1)
        chosen.add(free_port())
    assert len(chosen) > 1
