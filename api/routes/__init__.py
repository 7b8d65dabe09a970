"""One module for each resource: `router(reader)` gives its routes."""

from typing import Annotated

from fastapi import Path, Query

PAGE = 1_000
Limit = Annotated[int, Query(ge=1, le=PAGE)]
From = Annotated[int, Query(alias="from", ge=0, lt=1 << 32)]
Number = Annotated[int, Path(ge=0, lt=1 << 32)]
