"""What Alembic runs to carry out migrations: on the connection of `jobs/schema.py`, which holds a
lock and a transaction. SQLite's DDL is transactional, too, where Python does not begin for it.
"""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes["version_table"],
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
