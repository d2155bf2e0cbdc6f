"""Run a module whose clock is wrong: `python skewed.py SECONDS MODULE [ARGUMENT...]`.

`time.time` is off by so much before anything else is imported; Redis, and the kernel, know better.
"""

import runpy
import sys
import time

right = time.time
skew_s = float(sys.argv[1])
time.time = lambda: right() + skew_s
sys.argv = sys.argv[2:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
