"""Experiments on pools of workers with a simulated device, and on the ledger alone.

    PYTHONPATH=tests:benchmarks python -m pools NAME

`python -m pools --help` lists them. docs/benchmarks.md has the figures.
"""
