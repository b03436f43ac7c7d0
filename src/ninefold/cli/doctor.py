"""`ninefold doctor`: what there is at a glance, what is missing, and how to get it."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import typer

from ninefold.cli.guard import DONE, FAILED
from ninefold.core.json_text import json_text
from ninefold.health.checks import check_installation


def examine(
    settings_file: Path | None,
    data: Path | None,
    database: str | None,
    ask_torch: bool,
    as_json: bool,
) -> int:
    """Print what was found; `FAILED` where something needed is missing. Imports no torch, unless
    `ask_torch` says so."""
    findings = list(check_installation(settings_file, data, database, ask_torch))
    missing = [finding for finding in findings if finding.missing]
    if as_json:
        document = {"ok": not missing, "findings": [asdict(finding) for finding in findings]}
        typer.echo(json_text(document, indent=2))
        return FAILED if missing else DONE
    for section, group in groupby(findings, lambda finding: finding.section):
        typer.echo(section)
        for finding in group:
            typer.echo(f"  {finding.name:<14} {finding.found}")
            if finding.remedy is not None:
                typer.echo(f"  {'':<14} {finding.verdict}: {finding.remedy}")
    typer.echo(f"\n{len(missing)} missing" if missing else "\nall that is needed is there")
    return FAILED if missing else DONE
