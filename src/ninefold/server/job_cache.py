"""Jobs that were read whole, kept in memory until anything of them changes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from ninefold.jobs import Job, JobExecutor
from ninefold.server.job_library import Call, no_job

#: Jobs that are kept.
_SIZE = 256


class JobCache:
    """The jobs that were asked for last."""

    def __init__(self, jobs: JobExecutor, call: Call) -> None:
        """`call` runs what blocks in a thread."""
        self._jobs, self._call = jobs, call
        self._kept: OrderedDict[str, tuple[Hashable, Job]] = OrderedDict()

    async def get(self, job_id: str) -> Job:
        """The job as it is now; raises `NotFoundError`."""
        version = (await self._call(self._jobs.store.versions, [job_id])).get(job_id)
        if version is None:
            self.forget(job_id)
            raise no_job(job_id)
        known, job = self._kept.pop(job_id, (None, None))
        if job is None or known != version:  # read after its version: at least as new
            job = await self._jobs.get(job_id)
        self._kept[job_id] = version, job
        while len(self._kept) > _SIZE:
            self._kept.popitem(last=False)
        return job

    def forget(self, job_id: str) -> None:
        """Keep the job no longer."""
        self._kept.pop(job_id, None)
