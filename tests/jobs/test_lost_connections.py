"""What a job needs the database for is tried again, whatever the driver says while it is away."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from dbos._utils import retriable_postgres_exception

from ninefold.jobs.database import connect, database_url
from tests.jobs.postgres import Server


@pytest.mark.parametrize("host", ["/nowhere/at/all", "127.0.0.1"])
def test_dbos_tries_again_where_no_connection_can_be_made(
    postgres_server: Server, tmp_path: Path, host: str
) -> None:
    engine = connect(database_url(tmp_path, postgres_server.database()), create=True)
    engine.dispose()

    def elsewhere(
        dialect: object, record: object, arguments: object, given: dict[str, str]
    ) -> None:
        given |= {"host": host, "port": "1"}

    sa.event.listen(engine, "do_connect", elsewhere)
    with pytest.raises(sa.exc.OperationalError) as refused:
        engine.connect()
    assert refused.value.connection_invalidated
    assert retriable_postgres_exception(refused.value)
