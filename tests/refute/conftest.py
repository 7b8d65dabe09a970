"""One chain for all tests that share a deployment, or take a fresh one on it."""

from tests.support.stage import anvil_url, stages

__all__ = ["anvil_url", "stages"]
