"""Where the controls of tutorial 18 are moved to, and what plain arithmetic says the page must show then."""

from itertools import pairwise

from tests.tutorials.move import Move

CHANNELS = (3, 24, 24, 48, 48, 96, 96, 96)
WEIGHTS = [9 * C * K for C, K in pairwise(CHANNELS)]
FULL_LAYER = 10 * (96 + 1)

MOVES = (
    Move("chosen", 3, {"picture": 3, "covers": ((32 - 8) // 2 + 1) ** 2, "cam_width": 8}),
    Move("layer", "4", {"maps": 48, "width": 16}),
    Move("window", 16, {"covers": ((32 - 16) // 2 + 1) ** 2}),
    Move("forgotten", 2, {"shuffled": FULL_LAYER + sum(WEIGHTS[5:])}),
    Move("many", True, {"pictures_tested": 8, "like_edges": 1}),
)
