"""``tinycnn bench COMMAND``: measure on your own machine, one file per command."""

from cyclopts import App

from tinycnn.cli.bench.compare import compare
from tinycnn.cli.bench.conv import conv
from tinycnn.cli.bench.models import models
from tinycnn.cli.bench.tune import tune

bench = App(name="bench", help="Measure on this machine, and let tinycnn use what was found.")
bench.command(conv)
bench.command(models)
bench.command(compare)
bench.command(tune)
