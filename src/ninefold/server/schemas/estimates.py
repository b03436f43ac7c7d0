"""What jobs would take, and what a rerun would do."""

from __future__ import annotations

from ninefold import job_schema


class EstimateDocument(job_schema.Estimate):
    """What jobs will take; with `problems` they would be refused, and nothing else is known."""


class RerunPlanDocument(job_schema.RerunPlan):
    """What a rerun would do."""
