"""``python -m tinycnn.benchmarks.gpu``: see `tinycnn.benchmarks.gpu.measure`."""

import sys

from tinycnn.benchmarks.gpu.measure import main

if __name__ == "__main__":
    sys.exit(main())
