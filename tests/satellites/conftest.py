"""One chain for all tests here; each file has a deployment of its own."""

from tests.support.stage import anvil_url, stages

__all__ = ["anvil_url", "stages"]
