"""`ninefold verify`: what the marks of files say, for people and as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer

from ninefold.cli.guard import BAD_INPUT, DONE, FAILED, plain, say_error
from ninefold.cli.settings import engines_for
from ninefold.core.errors import InputError
from ninefold.core.json_text import json_text
from ninefold.core.settings import read_settings
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.hashing import SHORT_HASH
from ninefold.provenance.report import (
    ActionReport,
    C2paReport,
    IngredientReport,
    ProvenanceReport,
    ProvenanceVerdict,
    WatermarkReport,
)
from ninefold.provenance.verification import Verifier, verifier_for
from ninefold.settings import JobSettings

#: The exit code for files that prove nothing of ninefold's.
NOTHING = 3
CODES = {
    ProvenanceVerdict.INTACT: DONE,
    ProvenanceVerdict.ALTERED: FAILED,
    ProvenanceVerdict.FOREIGN: NOTHING,
    ProvenanceVerdict.UNPROVEN: NOTHING,
}
#: Of several files the first of these that occurs.
_WORST_FIRST = (BAD_INPUT, FAILED, NOTHING, DONE)
_HEADLINES = {
    ProvenanceVerdict.INTACT: "signed as made by ninefold, and whole",
    ProvenanceVerdict.ALTERED: "marked as made by ninefold, and changed since",
    ProvenanceVerdict.FOREIGN: "carries marks of another system",
    ProvenanceVerdict.UNPROVEN: "nothing can be proved",
}
_SHOWN, _LONGEST = 8, 60


def verify_files(
    files: Sequence[str],
    trust: Path | None,
    data: Path | None,
    settings_file: Path | None,
    as_json: bool,
    engines: EngineSet | None,
) -> int:
    """Print a report on each file; the exit code is that of the worst of them."""
    flags = {"trust_anchors": trust, "data": data}
    settings = read_settings(JobSettings, file=settings_file, flags=flags, part=True)
    verifier = verifier_for(settings, engines_for(settings_file, engines))
    codes = {_verify_file(name, verifier, as_json) for name in files}
    return next(code for code in _WORST_FIRST if code in codes)


def _verify_file(name: str, verifier: Verifier, as_json: bool) -> int:
    try:
        report = verifier.verify(_source(name, verifier.limits.max_bytes))
    except InputError as error:
        say_error(plain(f"{name}: {error}"))
        if as_json:
            typer.echo(json_text({"file": name, "error": str(error)}))
        return BAD_INPUT
    if as_json:
        typer.echo(json_text({"file": name, **report.model_dump(mode="json")}))
    else:
        typer.echo("\n".join(plain(line) for line in _lines(name, report)))
    return CODES[report.verdict]


def _source(name: str, most: int) -> bytes | Path:
    if name == "-":
        return sys.stdin.buffer.read(most + 1)
    path = Path(name)
    if path.is_dir():
        raise InputError("expected a file, got a folder. Name the files in it.")
    return path


def _lines(name: str, report: ProvenanceReport) -> Iterator[str]:
    yield f"{name}: {report.verdict.value}: {_HEADLINES[report.verdict]}"
    if report.c2pa.present:
        yield from _entry("signature", [_signature(report.c2pa)])
        yield from _entry("made by", [_generator(report.c2pa)])
        yield from _entry("actions", [_action(item) for item in report.c2pa.actions])
        yield from _entry(
            "made from",
            [_ingredient(item) for item in report.c2pa.ingredients],
        )
        yield from _entry("problems", [f"{p.message} ({p.code})" for p in report.c2pa.problems])
    yield from _entry("watermark", [_watermark(report.watermark)])
    yield from _entry("unsigned", [mark.text for mark in report.marks])
    yield from _entry("because", report.reasons)


def _entry(title: str, lines: Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"  {'' if number else title:<10} {line}"


def _signature(report: C2paReport) -> str:
    signer = report.signer
    names = (signer.common_name, signer.organization) if signer is not None else ()
    whose = ", ".join(name for name in names if name) or "unknown"
    parts = ["holds" if report.valid else "does not hold"]
    parts.append(f"certificate of {whose}, {'trusted' if report.trusted else 'not trusted'}")
    if report.signed_at is None:
        parts.append("no time stamp")
    else:
        by = "" if report.time_trusted else ", by an authority that is not trusted"
        parts.append(f"time stamp {report.signed_at}{by}")
    return "; ".join(parts)


def _generator(report: C2paReport) -> str:
    named = filter(None, (report.generator, report.generator_version))
    return f"{' '.join(named) or 'unknown'}, as the manifest says"


def _action(action: ActionReport) -> str:
    software = " ".join(filter(None, (action.software, action.version))) or "unknown"
    who = f"{action.stage} by {software}" if action.stage else software
    what = f" with {', '.join(action.ingredients)}" if action.ingredients else ""
    shown = [
        f"{key.rpartition('.')[2]}={str(value)[:_LONGEST]}"
        for key, value in list(action.parameters.items())[:_SHOWN]
        if isinstance(value, str | int | float)
    ]
    if left := len(action.parameters) - len(shown):
        shown.append(f"{left} more")
    how = f": {', '.join(shown)}" if shown else ""
    words = (action.when, action.action, f"{who}{what}{how}", action.description)
    return "  ".join(filter(None, words))


def _watermark(report: WatermarkReport) -> str:
    if not report.searched:
        return f"not looked for ({report.note})" if report.note else "not looked for"
    if not report.found:
        return "none found"
    relation = {
        "same": "that of the manifest",
        "other": "not that of the manifest",
        "stored": "in the manifest store",
        "unknown": "of no manifest that is known",
    }[report.manifest or "unknown"]
    line = f"{report.payload}, {relation}"
    if (stored := report.stored) is not None:
        facts = [f"made {stored.made_at}"] if stored.made_at else []
        facts += [f"by {', '.join(stored.stages)}"] if stored.stages else []
        facts += [f"as {', '.join(stored.outputs[:_SHOWN])}"] if stored.outputs else []
        line += "".join(f"; {fact}" for fact in facts)
    return line


def _ingredient(item: IngredientReport) -> str:
    kind = f"({item.kind} model)" if item.kind else ""
    model = " ".join(filter(None, (kind, (item.hash or "")[:SHORT_HASH])))
    made = f"(made by {item.generator})" if item.generator else ""
    return " ".join(filter(None, (item.title, item.relationship, model, made)))
