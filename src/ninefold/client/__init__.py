"""A client of `ninefold serve`: `Client`, and `AsyncClient` for programs that await."""

from ninefold.client.client import AsyncClient, Client
from ninefold.client.errors import ServiceError
from ninefold.client.values import (
    Deleted,
    Estimate,
    Event,
    Grid,
    Group,
    Job,
    Lineage,
    Page,
    Queue,
    RerunPlan,
    Upload,
)

__all__ = [
    "AsyncClient",
    "Client",
    "Deleted",
    "Estimate",
    "Event",
    "Grid",
    "Group",
    "Job",
    "Lineage",
    "Page",
    "Queue",
    "RerunPlan",
    "ServiceError",
    "Upload",
]
