"""Run a module under a skewed clock: `python clock_skew.py SECONDS MODULE [ARGUMENT...]`.

Shifts `time.time` before anything else is imported. Redis and the kernel keep the true time.
"""

import runpy
import sys
import time

true_time = time.time
skew_s = float(sys.argv[1])
time.time = lambda: true_time() + skew_s
sys.argv = sys.argv[2:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
