"""Words of prompts, for the search among jobs: found by their beginnings, in any script.

Both databases are given words that were split here, so that the same search finds the same jobs.
On SQLite they lie in a table of FTS5, on PostgreSQL in a `tsvector` that no parser of its own made.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa

#: One row a job: its place, as the key, and its words. Made by a migration, each database's own
#: way; not on `TABLES`, for SQLAlchemy has no word for it.
WORDS = sa.table("ninefold_job_words", sa.column("place", sa.BigInteger), sa.column("words"))

#: Longer words are cut; PostgreSQL takes up to 2,046 bytes.
_LONGEST = 100
#: First and last code points of scripts that are written without spaces between words: in these
#: every character stands for itself, and several in a row are found as they stand.
_WITHOUT_SPACES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x323AF),
)


def words_of(text: str) -> Iterator[str]:
    """The words of a text in order, in one case and one form of each letter."""
    for run in _runs(text):
        yield from run


def document_of(words: Sequence[str], dialect: str) -> str:
    """What `WORDS.words` holds of words."""
    if dialect == "sqlite":
        return " ".join(words)
    # PostgreSQL notes no position above the largest; only neighbours that far on are not found.
    return " ".join(f"'{word}':{min(n, 16_383)}" for n, word in enumerate(words, 1))


def places_with(text: str, dialect: str) -> sa.Select[Any] | None:
    """The places of jobs that have words beginning with each of `text`; None where it has none."""
    runs = list(_runs(text))
    if not runs:
        return None
    if dialect == "sqlite":
        query = " AND ".join(f'"{" ".join(run)}"{_ending(run, "*")}' for run in runs)
        place = sa.literal_column("ninefold_job_words.rowid", sa.BigInteger).label("place")
        matches = sa.text("ninefold_job_words MATCH :words").bindparams(words=query)
        return sa.select(place).select_from(WORDS).where(matches)
    query = " & ".join(f"({_following(run)}{_ending(run, ':*')})" for run in runs)
    matching = WORDS.c.words.op("@@")(sa.cast(sa.literal(query), _TSQUERY))
    return sa.select(WORDS.c.place).where(matching)


class _TSQuery(sa.types.UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "TSQUERY"


_TSQUERY = _TSQuery()


def _runs(text: str) -> Iterator[list[str]]:
    """What stands between spaces and signs: one word, or the characters of one run."""
    normal = unicodedata.normalize("NFKC", text).casefold()
    for kind, characters in groupby(normal, _kind):
        if kind == "letters":
            yield ["".join(characters)[:_LONGEST]]
        elif kind == "characters":
            yield list(characters)


def _kind(character: str) -> str:
    code = ord(character)
    # Letters, numbers, and marks that belong to the letter before.
    if unicodedata.category(character)[0] not in "LNM":
        return ""
    if code >= 0x0E00 and any(first <= code <= last for first, last in _WITHOUT_SPACES):
        return "characters"
    return "letters"


def _following(run: Sequence[str]) -> str:
    """PostgreSQL's words for one word after the other."""
    return " <-> ".join(f"'{word}'" for word in run)


def _ending(run: Sequence[str], any_ending: str) -> str:
    """What follows a run in a query: characters that are words by themselves have no ending."""
    return "" if _kind(run[0][0]) == "characters" else any_ending
