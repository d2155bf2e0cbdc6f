"""Run the command line with `python -m seewhy.cli`."""

from seewhy.cli.app import main

main()
