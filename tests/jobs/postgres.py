"""A private PostgreSQL for tests: in a folder of its own, reached by a socket file alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from sqlalchemy import URL, create_engine, text

_NUMBERS = count(1)


def binaries() -> Path | None:
    """The folder of PostgreSQL's programs; None where it is not installed."""
    if (found := shutil.which("initdb")) is not None and Path(found).with_name("postgres").exists():
        return Path(found).parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders else None


class Server:
    """One cluster; `database` makes an empty database in it."""

    def __init__(self, folder: Path) -> None:
        found = binaries()
        assert found is not None
        self.programs, self.folder = found, folder
        # The server refuses to run as root.
        self.user = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()
        if self.user:
            shutil.chown(folder, "postgres")
        self._do("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "test", "--no-sync")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-k {self.folder} -c listen_addresses= -c max_connections=200"
        options += " -c fsync=off -c full_page_writes=off"  # what only a power cut would show
        log = self.folder / "log"
        self._do("pg_ctl", "-D", str(self.folder / "data"), "-l", str(log), "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; `immediate` is as if the machine had died."""
        self._do("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "stop")

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test{next(_NUMBERS)}"
        engine = create_engine(self._url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self._url(name).render_as_string(hide_password=False).replace("+psycopg", "")

    def _url(self, name: str) -> URL:
        return URL.create(
            "postgresql+psycopg", "test", database=name, query={"host": str(self.folder)}
        )

    def _do(self, program: str, *arguments: str) -> None:
        command = [*self.user, str(self.programs / program), *arguments]
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, cwd="/"
        )


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """A running server, stopped and forgotten afterwards."""
    found = Server(folder)
    found.start()
    try:
        yield found
    finally:
        found.stop()
