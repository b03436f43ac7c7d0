"""Making an image again, and saying how much it is like the one before."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from ninefold.core.context import PipelineContext
from ninefold.core.errors import ConfigError, InputError
from ninefold.core.events import Observer
from ninefold.core.settings import read_settings
from ninefold.core.values import Output
from ninefold.engines import defaults
from ninefold.engines.engine_set import EngineSet
from ninefold.files.decode import decode_layers, probe
from ninefold.files.manifest import Manifest, read_manifest
from ninefold.files.manifest_store import MANIFESTS, ManifestStore
from ninefold.files.store import read_alpha, read_image
from ninefold.imaging.alpha import join
from ninefold.reproduction.comparing import (
    Likeness,
    environment_differences,
    first_difference,
    stage_differences,
)
from ninefold.reproduction.finding import find_record, manifest_of
from ninefold.reproduction.inputs import job_folders, read_named_file
from ninefold.reproduction.plan import Plan, plan_run
from ninefold.reproduction.report import Difference, ReproductionReport, ReproductionVerdict
from ninefold.settings import JobSettings
from ninefold.slots import IMAGE, OUTPUTS
from ninefold.stages.published_record import manifest_for, record_for

_SHOWN = 5


@dataclass(frozen=True)
class Reproducer:
    """What images are made again with."""

    engines: EngineSet
    #: The data folder, with jobs; None for none.
    data: Path | None = None
    #: Manifests of published images; None for none.
    store: ManifestStore | None = None
    #: Files and models by the names of inputs, such as `image` or `finisher.lut`.
    given: Mapping[str, str] = field(default_factory=dict)
    #: Go on where a model or an input is another.
    anyway: bool = False

    def reproduce(
        self,
        file: Path,
        record: Path | None = None,
        out: Path | None = None,
        observer: Observer | None = None,
    ) -> ReproductionReport:
        """Make the image of `file` again, and compare them.

        `file` may be a manifest.json, too: of a picture beside it, or of none. `record` is the
        manifest of a file that holds no record. The new files are kept in `out`, a folder.

        Raises `UserError` where it cannot be made again, and `StageError` where a stage fails.
        """
        source, made = self._sources(file, record)
        with nullcontext(str(out)) if out else TemporaryDirectory(prefix="ninefold-") as folder:
            job_id = PipelineContext().job_id
            context = PipelineContext(Path(folder) / job_id, job_id=job_id)
            try:
                plan = self._planned(file, made, context)
            except BaseException:
                shutil.rmtree(context.workdir, ignore_errors=True)
                raise
            asyncio.run(plan.pipeline.execute(context, around=plan.around, observer=observer))
            context.raise_for_error()
            return _report(plan, source, kept=out is not None, engines=self.engines)

    def _planned(self, file: Path, made: Manifest, context: PipelineContext) -> Plan:
        folders = [file.parent, file.parent.parent, Path.cwd()]
        if self.data is not None:
            folders += job_folders(self.data)
        return plan_run(made, context, self.engines, self.given, folders, anyway=self.anyway)

    def _sources(self, file: Path, record: Path | None) -> tuple[bytes | None, Manifest]:
        """The picture's bytes, where there is one, and how it was made."""
        data = read_named_file(file)
        if data.lstrip()[:1] == b"{":
            if record is not None:
                raise ConfigError("--record: expected with a picture, got it with a manifest.")
            made = manifest_of(data, file.name)
            return _picture_of(made, file), made
        if record is not None:
            return data, manifest_of(read_named_file(record), record.name)
        try:
            return data, find_record(data, self.engines, self.store)
        except InputError as error:
            raise InputError(f"{file.name}: {error}") from None


def reproducer_for(
    settings: JobSettings, engines: EngineSet, given: Mapping[str, str], *, anyway: bool = False
) -> Reproducer:
    """What the settings say: where jobs lie, and manifests of published images."""
    store = ManifestStore(settings.marks_folder / MANIFESTS)
    return Reproducer(engines, settings.data, store, given, anyway)


def reproduce(
    file: str | Path,
    *,
    record: str | Path | None = None,
    inputs: Mapping[str, str | Path] | None = None,
    out: str | Path | None = None,
    anyway: bool = False,
    engines: EngineSet | None = None,
    data: str | Path | None = None,
) -> ReproductionReport:
    """Make the image of a file again and compare them: `reproduce("house.png").verdict`.

    `inputs` are files that it was made from, by name (`image`, `mask`, `references.1`,
    `finisher.lut`), where they are not found by their hashes. `data` is the folder of jobs, with
    manifests of what they published, by default as the settings say. Not to be called inside
    an event loop.

    Raises `UserError` where it cannot be made again, and `StageError` where a stage fails.
    """
    settings = read_settings(JobSettings, flags={"data": data}, part=True)
    given = {name: str(path) for name, path in (inputs or {}).items()}
    reproducer = reproducer_for(
        settings, engines or defaults.default_engines(), given, anyway=anyway
    )
    manifest, folder = (None if path is None else Path(path) for path in (record, out))
    return reproducer.reproduce(Path(file), manifest, folder)


def _picture_of(made: Manifest, file: Path) -> bytes | None:
    """The first of the manifest's final files that still lies beside it."""
    for item in made.run.outputs if made.run is not None else ():
        path = file.parent / Path(item.name).name
        if item.media_type.startswith("image/") and path.is_file():
            return path.read_bytes()
    return None


def _report(
    plan: Plan, source: bytes | None, *, kept: bool, engines: EngineSet
) -> ReproductionReport:
    context, before = plan.context, plan.record
    record = context[IMAGE]
    final = join(read_image(context, record), read_alpha(context, record))
    after = read_manifest(manifest_for(record_for(context, engines.versions, final), context))
    same = None
    if before.pixels is not None and after.pixels is not None:
        same = before.pixels == after.pixels
    differences = (
        *plan.differences,
        *environment_differences(before, after),
        *stage_differences(before, after),
    )
    outputs: tuple[Output, ...] = context.get(OUTPUTS) or ()
    twin = None if source is None else _twin(source, outputs)
    first = first_difference(before, after)
    if source is None or twin is None:
        verdict = ReproductionVerdict.IDENTICAL if same else ReproductionVerdict.DIFFERENT
        likeness = None
    else:
        likeness = Likeness(decode_layers(source), decode_layers(twin.path.read_bytes()))
        verdict = likeness.verdict
    return ReproductionReport(
        verdict=verdict,
        psnr=None if likeness is None else likeness.psnr,
        ssim=None if likeness is None else likeness.ssim,
        same_final_pixels=same,
        first_difference=first,
        differences=differences,
        reasons=tuple(_reasons(verdict, same, first, differences)),
        outputs=tuple(str(output.path) for output in outputs) if kept else (),
    )


def _twin(source: bytes, outputs: tuple[Output, ...]) -> Output | None:
    """The new file that stands for the picture: of its format and size where there is one."""
    seen = probe(source)

    def unlike(output: Output) -> tuple[bool, bool]:
        size = output.width, output.height
        return size != (seen.width, seen.height), output.format != seen.format

    return min(outputs, key=unlike, default=None)


def _reasons(
    verdict: ReproductionVerdict,
    same: bool | None,
    first: str | None,
    differences: tuple[Difference, ...],
) -> list[str]:
    if verdict is ReproductionVerdict.IDENTICAL:
        return ["Every pixel is the same."]
    if same:
        return [
            "The final pixels are those of the record, so the file itself was changed since, or "
            "written in another format or by another encoder."
        ]
    found = []
    if first is not None:
        found.append(f"The first step that made something else is {first}.")
    causes = [item for item in differences if item.kind != "fact"] or list(differences)
    found += [f"{item}." for item in causes[:_SHOWN]]
    if not causes:
        found.append(
            "Nothing that is recorded differs. The device may not repeat its results; "
            "NINEFOLD_DETERMINISTIC=1 makes CUDA do so."
        )
    return found
