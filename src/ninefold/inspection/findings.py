"""What there is to say beside a config: what it does not hold, and the models that are named."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import ValidationError

from ninefold.core.problems import problems_of
from ninefold.core.values import Json
from ninefold.engines.sampler_names import (
    SchedulerName,
    find_schedule,
    find_scheduler,
    nearest_schedule,
    nearest_scheduler,
)
from ninefold.files.readers.values import file_stem
from ninefold.inspection.model_finder import FoundModel, Kind, ModelFinder
from ninefold.stages.registry import find_stage


@dataclass
class Findings:
    """Gathers what is said while a config is built."""

    finder: ModelFinder
    #: What the config does not hold, with the reason.
    left_out: list[str] = field(default_factory=list)
    #: What is done in another way than the file says.
    notes: list[str] = field(default_factory=list)
    models: list[FoundModel] = field(default_factory=list)

    def find(self, kind: Kind, name: str, digest: str = "") -> FoundModel:
        """The model that the file names, looked up once."""
        known = (item for item in self.models if (item.kind, item.name) == (kind, name) and name)
        if (found := next(known, None)) is None:
            found = self.finder.find(kind, name, digest)
            self.models.append(found)
        return found

    def scheduler(self, sampler: str, schedule: str, where: str) -> str | None:
        """Our name of a sampler and schedule, the nearest one where there is none; None for the
        model's own."""
        if not sampler:
            if schedule:
                self.left_out.append(f"{where}: schedule {schedule!r} without a sampler")
            return None
        found = find_scheduler(sampler, "automatic")
        if found is None and (found := nearest_scheduler(sampler)) is not None:
            self.notes.append(f"{where} {sampler!r}: {found} is the nearest here.")
        if found is None:
            self.left_out.append(f"{where} {sampler}: unknown here; the model's own is used")
            return None
        if schedule:
            asked = find_schedule(schedule)
            if asked is None and (asked := nearest_schedule(schedule)) is not None:
                self.notes.append(f"{where}: {asked.name} is nearest to schedule {schedule!r}.")
            if asked is None:
                self.left_out.append(f"{where}: schedule {schedule!r} is unknown here")
            else:
                found = SchedulerName(found.sampler, asked)
        if not found.possible:
            names = found.sampler.name, found.schedule.name
            self.left_out.append("{}: {} cannot follow {}".format(where, *names))
            found = SchedulerName(found.sampler)
        return None if found.sampler.name == "default" else str(found)

    def stage(self, name: str, params: Json) -> Json:
        """A stage with those of its parameters that it takes; the others are left out, as said."""
        given = {key: value for key, value in params.items() if value not in (None, [])}
        groups: list[Json] = []
        if name == "upscaler" and "width" in given:  # which goes with the height alone
            groups.append({key: given.pop(key) for key in ("width", "height") if key in given})
        groups += [{key: value} for key, value in given.items()]
        kept: Json = {}
        for group in groups:
            if (problem := _problem(name, group)) is None:
                kept |= group
            else:
                self.left_out.append(problem)
        return {"stage": name, "params": kept} if kept else {"stage": name}


def name_of(found: FoundModel) -> str | None:
    """What a config calls a model: where it is not at hand by its name alone, so that it stands for
    no path and for nothing to be fetched."""
    return found.here or file_stem(found.name).replace("\0", "") or None


def _problem(stage: str, params: Json) -> str | None:
    """What is wrong with parameters of a stage; None where nothing is."""
    try:
        find_stage(stage).params_type.model_validate(params)
    except ValidationError as error:
        return "; ".join(problems_of(error, stage))
    return None
