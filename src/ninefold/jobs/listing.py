"""What lists show and search of jobs: one narrow row each, beside the rows of DBOS.

A row is written with its job, again once the job's steps have said more (the seed that was drawn,
the prompt that was chosen, sizes, the verdict), and goes with it. What can be read off the spec and
the steps' records is never decided here: a row that is missing changes no job.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ninefold.core.record import StageRecord
from ninefold.core.values import Json
from ninefold.jobs.spec import JobSpec
from ninefold.jobs.tables import TABLES
from ninefold.jobs.words import WORDS, document_of, words_of
from ninefold.slots import resolve_model

_PLACE = sa.BigInteger().with_variant(sa.Integer, "sqlite")

JOBS = sa.Table(
    "ninefold_jobs",
    TABLES,
    #: In the order of acceptance; a job that is moved in the queue keeps it.
    sa.Column("place", _PLACE, primary_key=True, autoincrement=False),
    sa.Column("id", sa.String(128), nullable=False, unique=True),
    sa.Column("owner", sa.String(128)),
    sa.Column("group_id", sa.String(128)),
    sa.Column("parent", sa.String(128)),
    #: Milliseconds since the epoch.
    sa.Column("created", sa.BigInteger, nullable=False),
    #: How it ended; NULL until that was noted: then DBOS's row knows.
    sa.Column("ended", sa.String(16)),
    sa.Column("favourite", sa.Boolean, nullable=False),
    sa.Column("model", sa.Text),
    sa.Column("seed", sa.BigInteger),
    #: Of the newest picture, whose file's name in the job's folder is `picture`.
    sa.Column("width", sa.Integer),
    sa.Column("height", sa.Integer),
    sa.Column("picture", sa.Text),
    sa.Column("decision", sa.String(8)),
    sa.Column("score", sa.Float),
    sa.Index("ninefold_jobs_owner", "owner", "place", "ended"),
    sa.Index("ninefold_jobs_ended", "ended", "place"),
    sa.Index("ninefold_jobs_group", "group_id", "place"),
    sa.Index("ninefold_jobs_parent", "parent", "place"),
    sa.Index("ninefold_jobs_model", "model", "place"),
    sa.Index("ninefold_jobs_seed", "seed", "place"),
    sa.Index("ninefold_jobs_favourite", "favourite", "place"),
    sa.Index("ninefold_jobs_created", "created", "place"),
)

#: The LoRAs of each job, by name.
LORAS = sa.Table(
    "ninefold_job_loras",
    TABLES,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("place", _PLACE, primary_key=True, autoincrement=False),
    sa.Index("ninefold_job_loras_place", "place"),
)


@dataclass(frozen=True)
class Listing:
    """What a row says of a job, beside what the job is made of."""

    favourite: bool = False
    #: As far as they are known: those that were asked for, then those that were used.
    seed: int | None = None
    model: str | None = None
    width: int | None = None
    height: int | None = None
    #: The newest picture's file in the job's folder.
    picture: str | None = None
    decision: str | None = None
    score: float | None = None


#: Ids that one query names.
_CHUNK = 5000
_SHOWN = tuple(Listing.__dataclass_fields__)


@dataclass(frozen=True)
class Described:
    """What is searched and shown of a job, from its spec and the records of its steps."""

    fields: Mapping[str, Any]
    words: tuple[str, ...]
    loras: tuple[str, ...]


def describe(spec: JobSpec, records: Iterable[StageRecord]) -> Described:
    """What is known of a job once its steps left these `records`, in order."""
    config, given = spec.config, spec.input
    texts = [given.get(name) or config.get(name) for name in ("prompt", "negative_prompt")]
    seed = given.get("seed")
    fields: dict[str, Any] = {
        "seed": config.get("seed") if seed is None else seed,
        "model": _model(config, given),
        "width": None,
        "height": None,
        "picture": None,
        "decision": None,
        "score": None,
    }
    loras = [item["name"] for item in given.get("loras") or ()]
    for record in records:
        data = record.data
        texts += [data.get(name) for name in ("prompt", "negative_prompt")]
        loras += [item["name"] for item in data.get("loras") or ()]
        if data.get("seed") is not None:
            fields["seed"] = data["seed"]
        if record.step == "text_to_image" and record.metadata.get("model"):
            fields["model"] = record.metadata["model"]
        picture = next(iter(data.get("outputs") or ()), None) or data.get("image")
        if picture:
            fields |= {name: picture[name] for name in ("width", "height")}
            fields["picture"] = picture["path"]
        if verdict := data.get("verdict"):
            fields |= {name: verdict[name] for name in ("decision", "score")}
    words = dict.fromkeys(filter(None, texts))  # each text once
    return Described(
        fields,
        tuple(word for text in words for word in words_of(text)),
        tuple(dict.fromkeys(name[:200] for name in loras)),
    )


def insert(
    connection: sa.Connection, specs: Mapping[str, JobSpec], first_place: int
) -> dict[str, Listing]:
    """Write the rows of new jobs, in places one after the other; and what they say."""
    rows, words, loras = [], [], []
    written = {}
    dialect = connection.dialect.name
    for place, (job_id, spec) in enumerate(specs.items(), first_place):
        described = describe(spec, spec.reused())
        rows.append(
            {
                "place": place,
                "id": job_id,
                "owner": spec.owner,
                "group_id": spec.group,
                "parent": spec.parent,
                "created": round(datetime.fromisoformat(spec.created_at).timestamp() * 1000),
                "favourite": False,
                **described.fields,
            }
        )
        written[job_id] = Listing(**described.fields)
        words.append(_words(place, described, dialect))
        loras += [{"name": name, "place": place} for name in described.loras]
    connection.execute(sa.insert(JOBS), rows)
    connection.execute(_insert_words(dialect), words)
    if loras:
        connection.execute(sa.insert(LORAS), loras)
    return written


def update(engine: sa.Engine, job_id: str, before: Described, now: Described) -> None:
    """Write what has become known of a job since `before`; nothing where there is no such row."""
    with engine.begin() as connection:
        mine = JOBS.c.id == job_id
        connection.execute(sa.update(JOBS).where(mine).values(now.fields))
        if (now.words, now.loras) == (before.words, before.loras):
            return
        place = connection.scalar(sa.select(JOBS.c.place).where(mine))
        if place is None:
            return
        _forget_words(connection, [place])
        dialect = connection.dialect.name
        connection.execute(_insert_words(dialect), [_words(place, now, dialect)])
        if now.loras:
            connection.execute(
                sa.insert(LORAS), [{"name": name, "place": place} for name in now.loras]
            )


def delete(connection: sa.Connection, job_ids: Sequence[str]) -> None:
    """Remove the rows of jobs."""
    for ids in _chunks(job_ids):
        places = list(connection.scalars(sa.select(JOBS.c.place).where(JOBS.c.id.in_(ids))))
        if places:
            _forget_words(connection, places)
            connection.execute(sa.delete(JOBS).where(JOBS.c.place.in_(places)))


def owners(connection: sa.Connection, job_ids: Sequence[str]) -> dict[str, str | None]:
    """Whose jobs they are; those without a row are left out."""
    query = sa.select(JOBS.c.id, JOBS.c.owner)
    return {
        row[0]: row[1]
        for ids in _chunks(job_ids)
        for row in connection.execute(query.where(JOBS.c.id.in_(ids)))
    }


def listings(connection: sa.Connection, job_ids: Sequence[str]) -> dict[str, Listing]:
    """The rows of jobs by their ids."""
    query = sa.select(JOBS.c.id, *(JOBS.c[name] for name in _SHOWN))
    return {
        row[0]: Listing(*row[1:])
        for ids in _chunks(job_ids)
        for row in connection.execute(query.where(JOBS.c.id.in_(ids)))
    }


def _chunks(job_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many ids at a time as one query may name."""
    for start in range(0, len(job_ids), _CHUNK):
        yield job_ids[start : start + _CHUNK]


def _model(config: Json, given: Json) -> str:
    """The model that the first stage to paint will take."""
    own = (
        (item.get("params") or {}).get("model")
        for item in config.get("stages", ())
        if item["stage"] == "text_to_image"
    )
    return resolve_model(next(own, None), given.get("model"), config.get("model"))


def _words(place: int, described: Described, dialect: str) -> dict[str, Any]:
    return {"place": place, "words": document_of(described.words, dialect)}


def _insert_words(dialect: str) -> sa.TextClause:
    """Row by row, in each database's own terms."""
    if dialect == "sqlite":
        return sa.text("INSERT INTO ninefold_job_words (rowid, words) VALUES (:place, :words)")
    return sa.text(
        "INSERT INTO ninefold_job_words (place, words) VALUES (:place, CAST(:words AS tsvector))"
    )


def _forget_words(connection: sa.Connection, places: Sequence[int]) -> None:
    """Remove words and LoRAs of jobs."""
    connection.execute(sa.delete(LORAS).where(LORAS.c.place.in_(places)))
    key = (
        sa.literal_column("rowid", sa.BigInteger)
        if connection.dialect.name == "sqlite"
        else WORDS.c.place
    )
    connection.execute(sa.delete(WORDS).where(key.in_(places)))
