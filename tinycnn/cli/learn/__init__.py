"""``tinycnn learn COMMAND``: exercises, one file per command."""

from cyclopts import App

from tinycnn.cli.learn.check_all import check_all
from tinycnn.cli.learn.grade import dev_check, export_gradescope, export_nbgrader, grade
from tinycnn.cli.learn.hint import hint
from tinycnn.cli.learn.init import init
from tinycnn.cli.learn.list_all import list_all
from tinycnn.cli.learn.reset import reset
from tinycnn.cli.learn.run import run
from tinycnn.cli.learn.solution import solution
from tinycnn.cli.learn.step import step
from tinycnn.cli.learn.watch import watch

learn = App(name="learn", help="Exercises that say what went wrong: write the engine yourself, piece by piece.")
learn.default(watch)
learn.command(init)
learn.command(run)
learn.command(step)
learn.command(hint)
learn.command(list_all, name="list")
learn.command(reset)
learn.command(solution)
learn.command(check_all)
learn.command(grade)

for_graders = App(name="export", help="Hand exercises and grades to other graders.")
for_graders.command(export_nbgrader, name="nbgrader")
for_graders.command(export_gradescope, name="gradescope")
learn.command(for_graders)

for_authors = App(name="dev", help="For those who write exercises.")
for_authors.command(dev_check, name="check")
learn.command(for_authors)
