"""How urgent a job is: smaller numbers go first."""

#: A new job's priority, and the largest that a queue can hold.
DEFAULT_PRIORITY = 100
MAX_PRIORITY = 2**31 - 1
