"""Jobs have a narrow row for lists and searches; those that are there already get theirs.

What a row holds is worked out here as the version that brought this migration did: a migration
imports nothing that may change later.
"""

import json
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_CHUNK = 500
_WITHOUT_SPACES = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x323AF),
)
_ENDED = {
    "SUCCESS": "succeeded",
    "ERROR": "failed",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
    "CANCELLED": "cancelled",
}


def upgrade() -> None:
    """Make the tables, and fill them."""
    sqlite = op.get_context().dialect.name == "sqlite"
    place = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    jobs = op.create_table(
        "ninefold_jobs",
        sa.Column("place", place, primary_key=True, autoincrement=False),
        sa.Column("id", sa.String(128), nullable=False, unique=True),
        sa.Column("owner", sa.String(128)),
        sa.Column("group_id", sa.String(128)),
        sa.Column("parent", sa.String(128)),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.String(16)),
        sa.Column("favourite", sa.Boolean, nullable=False),
        sa.Column("model", sa.Text),
        sa.Column("seed", sa.BigInteger),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("picture", sa.Text),
        sa.Column("decision", sa.String(8)),
        sa.Column("score", sa.Float),
    )
    loras = op.create_table(
        "ninefold_job_loras",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("place", place, primary_key=True, autoincrement=False),
    )
    if sqlite:
        op.execute(
            "CREATE VIRTUAL TABLE ninefold_job_words USING fts5(words, "
            "tokenize = \"unicode61 remove_diacritics 0 categories 'L* N* M* Co'\")"
        )
        words = "INSERT INTO ninefold_job_words (rowid, words) VALUES (:place, :words)"
    else:
        op.execute(
            "CREATE TABLE ninefold_job_words (place BIGINT PRIMARY KEY, words TSVECTOR NOT NULL)"
        )
        words = (
            "INSERT INTO ninefold_job_words (place, words) "
            "VALUES (:place, CAST(:words AS tsvector))"
        )
    connection = op.get_bind()
    for found in _jobs(connection, "" if sqlite else "dbos."):
        connection.execute(sa.insert(jobs), [job["row"] for job in found])
        connection.execute(
            sa.text(words),
            [
                {"place": job["row"]["place"], "words": _document(job["words"], sqlite)}
                for job in found
            ],
        )
        named = [
            {"name": name, "place": job["row"]["place"]} for job in found for name in job["loras"]
        ]
        if named:
            connection.execute(sa.insert(loras), named)
    _indexes(sqlite)


def _indexes(sqlite: bool) -> None:
    op.create_index("ninefold_jobs_owner", "ninefold_jobs", ["owner", "place", "ended"])
    for name, column in (
        ("ended", "ended"),
        ("group", "group_id"),
        ("parent", "parent"),
        ("model", "model"),
        ("seed", "seed"),
        ("favourite", "favourite"),
        ("created", "created"),
    ):
        op.create_index(f"ninefold_jobs_{name}", "ninefold_jobs", [column, "place"])
    op.create_index("ninefold_job_loras_place", "ninefold_job_loras", ["place"])
    if not sqlite:
        op.execute("CREATE INDEX ninefold_job_words_words ON ninefold_job_words USING gin (words)")


def _jobs(connection: sa.Connection, schema: str) -> Iterator[list[dict[str, Any]]]:
    """What was stored before, some jobs at a time, in order."""
    found = connection.execute(
        sa.text(
            f"SELECT workflow_uuid, created_at FROM {schema}workflow_status "
            "WHERE name = 'ninefold.job' ORDER BY created_at, workflow_uuid"
        )
    ).all()
    place = 0
    for start in range(0, len(found), _CHUNK):
        chunk, places = [row[0] for row in found[start : start + _CHUNK]], {}
        for job_id, created in found[start : start + _CHUNK]:
            place = places[job_id] = max(place + 1, created)
        ids: sa.BindParameter[Any] = sa.bindparam("ids", chunk, expanding=True)
        rows = connection.execute(
            sa.text(
                "SELECT s.workflow_uuid, s.status, s.authenticated_user, s.created_at, "
                f"coalesce(i.inputs, s.inputs) FROM {schema}workflow_status s "
                f"LEFT JOIN {schema}workflow_input i ON i.workflow_uuid = s.workflow_uuid "
                "WHERE s.workflow_uuid IN :ids"
            ).bindparams(ids)
        ).all()
        steps = connection.execute(
            sa.text(
                f"SELECT workflow_uuid, output FROM {schema}operation_outputs "
                "WHERE workflow_uuid IN :ids AND output IS NOT NULL "
                "ORDER BY workflow_uuid, function_id"
            ).bindparams(ids)
        ).all()
        records: dict[str, list[Any]] = {}
        for job_id, output in steps:
            records.setdefault(job_id, []).append(json.loads(output))
        yield [_job(row, places[row[0]], records.get(row[0], [])) for row in rows]


def _job(row: Any, place: int, records: list[Any]) -> dict[str, Any]:
    job_id, status, owner, created_at, inputs = row
    spec = json.loads(inputs)["args"][0] if inputs else {}
    config, given = spec.get("config", {}), spec.get("input", {})
    texts = [given.get(name) or config.get(name) for name in ("prompt", "negative_prompt")]
    own = [
        (item.get("params") or {}).get("model")
        for item in config.get("stages", ())
        if item["stage"] == "text_to_image"
    ]
    model = (own and own[0]) or given.get("model") or config.get("model") or "poster"
    fields: dict[str, Any] = {
        "seed": given.get("seed", config.get("seed")),
        "model": model,
        **dict.fromkeys(("width", "height", "picture", "decision", "score")),
    }
    loras = [item["name"] for item in given.get("loras") or ()]
    for record in (*spec.get("records", ()), *records):
        data, metadata = record.get("data", {}), record.get("metadata", {})
        texts += [data.get(name) for name in ("prompt", "negative_prompt")]
        loras += [item["name"] for item in data.get("loras") or ()]
        if data.get("seed") is not None:
            fields["seed"] = data["seed"]
        if record.get("step") == "text_to_image" and metadata.get("model"):
            fields["model"] = metadata["model"]
        picture = next(iter(data.get("outputs") or ()), None) or data.get("image")
        if picture:
            fields |= {name: picture[name] for name in ("width", "height")}
            fields["picture"] = picture["path"]
        if verdict := data.get("verdict"):
            fields |= {name: verdict[name] for name in ("decision", "score")}
    created = created_at
    if spec.get("created_at"):
        created = round(datetime.fromisoformat(spec["created_at"]).timestamp() * 1000)
    return {
        "row": {
            "place": place,
            "id": job_id,
            "owner": owner,
            "group_id": spec.get("group"),
            "parent": spec.get("parent"),
            "created": created,
            "ended": _ENDED.get(status),
            "favourite": False,
            **fields,
        },
        "words": [word for text in dict.fromkeys(filter(None, texts)) for word in _words(text)],
        "loras": list(dict.fromkeys(name[:200] for name in loras)),
    }


def _words(text: str) -> Iterator[str]:
    normal = unicodedata.normalize("NFKC", text).casefold()
    for kind, characters in groupby(normal, _kind):
        if kind == "letters":
            yield "".join(characters)[:100]
        elif kind == "characters":
            yield from characters


def _kind(character: str) -> str:
    code = ord(character)
    if unicodedata.category(character)[0] not in "LNM":
        return ""
    if code >= 0x0E00 and any(first <= code <= last for first, last in _WITHOUT_SPACES):
        return "characters"
    return "letters"


def _document(words: list[str], sqlite: bool) -> str:
    if sqlite:
        return " ".join(words)
    return " ".join(f"'{word}':{min(n, 16_383)}" for n, word in enumerate(words, 1))
