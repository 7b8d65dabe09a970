"""Loaded before children are forked: judges the smallest crowd, so that what numba keeps on disk is loaded once for all."""

from oracle.matching import predict
from oracle.verification import judge

ANSWERS = ([0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1], 2, 2, 2)

judge.decide(judge.believe(judge.crowd(*ANSWERS)))
predict.fit(*ANSWERS)
