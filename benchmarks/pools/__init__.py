"""Experiments on pools of workers with a simulated device, and on the ledger alone: one report.

    PYTHONPATH=tests:benchmarks python -m pools scaling sweep

`python -m pools --help` lists them. docs/benchmarks.md has the figures.
"""
