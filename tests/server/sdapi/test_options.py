"""The model that a client chooses is its own."""

from __future__ import annotations

from ninefold.server.callers import LOCAL, Caller
from ninefold.server.sdapi.options import Options
from tests.server.conftest import Door


def test_each_key_has_its_own_model(idle: Door) -> None:
    headers = idle.headers()
    chosen = idle.client.post(
        "/sdapi/v1/options", json={"sd_model_checkpoint": "poster"}, headers=headers
    )
    assert chosen.status_code == 200
    key = idle.service.keys.find(headers["Authorization"].removeprefix("Bearer "))
    other = idle.service.keys.find(idle.key())
    assert key is not None
    assert other is not None
    options = Options(idle.service.jobs.store.engine)  # as after a restart
    assert options.model(Caller(key, key.scopes)) == "poster"
    assert options.model(Caller(other, other.scopes)) is None
    assert options.model(LOCAL) is None
