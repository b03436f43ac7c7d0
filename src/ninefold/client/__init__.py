"""A client of `ninefold serve`: `Client`, and `AsyncClient` for programs that await."""

from ninefold.client.client import AsyncClient, Client
from ninefold.client.errors import ServiceError
from ninefold.client.values import Event, Group, Job, Page, Upload

__all__ = ["AsyncClient", "Client", "Event", "Group", "Job", "Page", "ServiceError", "Upload"]
