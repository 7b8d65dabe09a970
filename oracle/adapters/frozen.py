"""Loaded last by the fork server: what it holds by then, no child looks through for cycles, or copies in doing so."""

import gc

gc.collect()
gc.freeze()
