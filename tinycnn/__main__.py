"""``python -m tinycnn``: the command line."""

import sys

from tinycnn.cli.main import main

sys.exit(main())
