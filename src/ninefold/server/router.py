"""Routes that an application takes over as they are."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter


class Router(APIRouter):
    """Routes, built once, as their modules are imported.

    What FastAPI includes it builds again for every application: models, dependencies and schemas,
    a quarter of a second for ours. `take` adds the routes themselves. An operation is called as
    its function.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(generate_unique_id_function=lambda route: route.name, **options)

    def take(self, other: Router) -> None:
        """Have the routes of another router, too."""
        self.routes.extend(other.routes)
