"""Who works when: places that are held for a while, given back or forgotten; and plans with skills and calendars.

allowance   how many places somebody may hold who finished so many and let so many run out
"""

from __future__ import annotations

FORGIVEN = 4  # finished tasks for which one forgotten place is forgiven


def allowance(most: int, finished: int, forgotten: int) -> int:
    """Places that a worker may hold at a time: `most`, halved for each that ran out beyond what its finished work forgives.

    What is given back in time costs nothing: it is not `forgotten`. One place stays, so that anybody can work the debt off.
    """
    debt = max(0, forgotten - 1 - finished // FORGIVEN)  # the first is an accident
    return max(1, most >> min(debt, most.bit_length()))
