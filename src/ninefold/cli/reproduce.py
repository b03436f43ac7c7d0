"""`ninefold reproduce`: an image made again, and whether it is the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import typer

from ninefold.cli.guard import DONE, FAILED, plain, say, say_error
from ninefold.cli.progress import progress_for
from ninefold.cli.report import short
from ninefold.cli.settings import engines_for
from ninefold.core.errors import ConfigError, NinefoldError, UserError
from ninefold.core.json_text import json_text
from ninefold.core.settings import read_settings
from ninefold.engines.engine_set import EngineSet
from ninefold.reproduction.report import ReproductionReport, ReproductionVerdict
from ninefold.reproduction.reproducing import reproducer_for
from ninefold.settings import JobSettings

CODES = {
    ReproductionVerdict.IDENTICAL: DONE,
    ReproductionVerdict.PERCEPTUALLY_EQUAL: 3,
    ReproductionVerdict.DIFFERENT: 4,
}


@dataclass(frozen=True)
class ReproduceOptions:
    """What the command line said."""

    file: Path
    record: Path | None
    inputs: tuple[str, ...]
    out: Path | None
    anyway: bool
    as_json: bool
    quiet: bool
    data: Path | None
    settings_file: Path | None
    memory: str | None


def reproduce(options: ReproduceOptions, given: EngineSet | None) -> int:
    """Make the image again, print the answer and return the exit code."""
    settings = read_settings(
        JobSettings, file=options.settings_file, flags={"data": options.data}, part=True
    )
    engines = engines_for(options.settings_file, given, options.memory, options.data)
    reproducer = reproducer_for(settings, engines, _inputs(options.inputs), anyway=options.anyway)
    try:
        with progress_for(options.quiet or options.as_json) as observer:
            report = reproducer.reproduce(options.file, options.record, options.out, observer)
    except UserError:
        raise
    except NinefoldError as error:
        say_error(str(error))
        return FAILED
    if options.as_json:
        document = {"file": str(options.file), **report.model_dump(mode="json")}
        typer.echo(json_text(document, indent=2))
    else:
        _print(options, report)
    return CODES[report.verdict]


def _print(options: ReproduceOptions, report: ReproductionReport) -> None:
    measures = []
    if report.psnr is not None:
        measures.append(f"PSNR {report.psnr:.1f} dB")
    if report.ssim is not None:
        measures.append(f"SSIM {report.ssim:.4f}")
    shown = f" ({', '.join(measures)})" if measures else ""
    verdict = report.verdict.replace("_", " ")
    typer.echo(plain(f"{options.file}: {verdict}{shown}"))
    for reason in report.reasons:
        typer.echo(plain(f"  {reason}"))
    if not options.quiet:
        reasons = " ".join(report.reasons)
        for item in report.differences:
            if str(item) not in reasons:
                say(plain(f"differs: {item}"))
    for path in report.outputs:
        typer.echo(short(Path(path)))


def _inputs(given: tuple[str, ...]) -> dict[str, str]:
    """`--input NAME=FILE` by name; raises `ConfigError`."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (equals and name.strip() and value.strip()):
            raise ConfigError(f"--input {text}: expected NAME=FILE, such as image=photo.png.")
        if name.strip() in found:
            raise ConfigError(f"--input {name.strip()}: given twice. Leave one out.")
        found[name.strip()] = value.strip()
    return found
