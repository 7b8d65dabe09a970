"""Loaded by every Python process whose PYTHONPATH names this folder: only a campaign's processes and what they start."""

import failpoints

failpoints.install()
