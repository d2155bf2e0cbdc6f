"""Formulas of queueing and sizing. Rates are per second, times in seconds.

Sources: Kleinrock, Queueing Systems (1975), for M/M/c and Little's law; Cosmetatos (1976) for
M/D/c; Kingman (1961) and Allen (1990) for other arrivals; Inoue, Queueing analysis of GPU-based
inference servers with dynamic batching (2021, arXiv:1912.06322), for batches without a limit.
"""

import math


def workers_needed(rate: float, worker_rate: float, *, utilization: float) -> int:
    """Return the fewest workers that are busy for at most `utilization` of the time."""
    if not 0 < utilization < 1:
        raise ValueError("the utilization must be between 0 and 1")
    return max(1, math.ceil(rate / (utilization * worker_rate) - 1e-9))


def batching_latency_bound_s(rate: float, *, overhead_s: float, image_s: float) -> float:
    """Return an upper bound of the mean time in a worker that takes all waiting images at once.

    Inoue's phi_1 = 3/2 t0 / (1 - la) + a/2 (la + 2) / (1 - l^2 a^2) with t0 = `overhead_s`,
    a = `image_s` and l = `rate`.
    """
    load = _stable(rate * image_s)
    return 1.5 * overhead_s / (1 - load) + image_s / 2 * (load + 2) / (1 - load**2)


def mmc_wait_s(rate: float, service_s: float, *, servers: int) -> float:
    """Return the mean wait in M/M/c, by Erlang's C formula."""
    offered = rate * service_s
    load = _stable(offered / servers)
    blocked = 1.0  # Erlang's B formula, by its recursion
    for server in range(1, servers + 1):
        blocked = offered * blocked / (server + offered * blocked)
    waits = blocked / (1 - load * (1 - blocked))
    return waits * service_s / (servers * (1 - load))


def mdc_wait_s(rate: float, service_s: float, *, servers: int) -> float:
    """Return the mean wait in M/D/c: exact for one server, else Cosmetatos' approximation."""
    load = _stable(rate * service_s / servers)
    correction = (1 - load) * (servers - 1) * (math.sqrt(4 + 5 * servers) - 2)
    factor = 1 + correction / (16 * load * servers)
    return mmc_wait_s(rate, service_s, servers=servers) / 2 * factor


def variability_factor(arrival_variation: float, service_variation: float) -> float:
    """Return by what factor a wait differs from that of M/M/c, by Kingman and Allen.

    The arguments are the coefficients of variation of the gaps between arrivals, and of the
    service times.
    """
    return (arrival_variation**2 + service_variation**2) / 2


def surge_backlog(surge_rate: float, delay_s: float, *, capacity: float) -> float:
    """Return the jobs that wait when new workers are ready, `delay_s` after a surge began."""
    return max(0.0, surge_rate - capacity) * delay_s


def drain_s(backlog: float, *, rate: float, capacity: float) -> float:
    """Return how long a backlog lasts while `rate` jobs arrive and `capacity` are done."""
    if capacity <= rate:
        raise ValueError(
            f"a backlog never drains: {rate:g} jobs arrive each second and at most {capacity:g} "
            "are done. Add workers"
        )
    return backlog / (capacity - rate)


def workers_without_scaling(
    surge_rate: float, delay_s: float, *, worker_rate: float, max_wait_s: float
) -> int:
    """Return how many workers keep the wait of a surge at `max_wait_s` until others are ready.

    After `delay_s` the backlog is (surge - capacity) x delay; it waits for backlog / capacity.
    """
    return math.ceil(surge_rate / (worker_rate * (1 + max_wait_s / delay_s)) - 1e-9)


def jobs_in_system(rate: float, latency_s: float) -> float:
    """Return the mean number of open jobs, by Little's law."""
    return rate * latency_s


def ledger_shards(rate: float, *, cpu_s: float, utilization: float = 0.6) -> int:
    """Return how many Redis servers the ledger needs, each with one thread that runs commands.

    `cpu_s` is the time of that thread for one job, from its submission to its end.
    """
    return max(1, math.ceil(rate * cpu_s / utilization - 1e-9))


def _stable(load: float) -> float:
    if not 0 < load < 1:
        raise ValueError(f"the load is {load:.2f}; a queue is stable only between 0 and 1")
    return load
