"""Every operation as its definition, in visible loops over single entries: slow, and made to be stepped through.

The ground truth of the tests, and what the trace runs: one statement in the innermost loop does the work, and says the
formula. The loop variables are the letters of the formula.
"""
