"""How urgent the work at hand is: set where a job begins, read where devices are shared."""

from contextvars import ContextVar

#: Smaller numbers go first. Worker threads inherit it (`core/blocking.py`).
current_priority: ContextVar[int] = ContextVar("current_priority", default=0)

#: A new job's priority, and the largest that a queue can hold.
DEFAULT_PRIORITY = 100
MAX_PRIORITY = 2**31 - 1
