"""Jobs to begin with, for each field that crowds serve and for what is asked everywhere.

A manifest that passes the check but for its deadline, and tasks.
"""

import json
from importlib.resources import files
from typing import Any


def templates() -> dict[str, dict[str, Any]]:
    """By name: {name, describes, skills (none where it is of no one field), manifest (without a deadline), tasks}."""
    found: list[dict[str, Any]] = json.loads(files("oracle").joinpath("data/templates.json").read_text("utf-8"))
    return {one["name"]: one for one in found}
