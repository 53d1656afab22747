"""Give the role of web and workers its rights in PostgreSQL: to rows, not to tables.

`python -m dashboard.database_role`, before migrations: `DATABASE_URL` names the owner, and
`APP_DATABASE_URL` the role with its password (both may be `…_FILE`). The role is made if it is
missing and the owner may make roles; else a database administrator makes it, and this only grants.
With one name in both addresses there is nothing to do. It may run at any time, and again.
"""

import sys

import psycopg
from psycopg import Connection, sql
from psycopg.conninfo import conninfo_to_dict

from dashboard.environment import Environment


class RoleMissing(Exception):
    """The role does not exist, and the owner may not make it."""


def grant_rights(owner_url: str, app_url: str) -> str:
    """One line that says what was done. Raises RoleMissing; nothing is changed then."""
    app = conninfo_to_dict(app_url)
    role, password = str(app["user"]), str(app.get("password") or "")
    if role == conninfo_to_dict(owner_url)["user"]:
        return f"Web and workers use the owner's role, {role}: nothing to grant."
    with psycopg.connect(owner_url, connect_timeout=10) as connection:
        is_new = _make_role(connection, role, password)
        schema = connection.execute("SELECT current_schema()").fetchone() or ("public",)
        names = {
            "role": sql.Identifier(role),
            "schema": sql.Identifier(schema[0]),
            "database": sql.Identifier(connection.info.dbname),
        }
        for statement in GRANTS:
            connection.execute(statement.format(**names))
    return f"{'Made' if is_new else 'Kept'} the role {role}: it reads and writes rows, and no more."


# Temporary tables stay allowed: they are the role's own, and gone with its connection.
GRANTS = (
    sql.SQL("REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC"),
    sql.SQL("GRANT CONNECT ON DATABASE {database} TO {role}"),
    sql.SQL("GRANT USAGE ON SCHEMA {schema} TO {role}"),
    sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"),
    sql.SQL("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"),
    # For what migrations make later.
    sql.SQL(
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} "
        "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}"
    ),
    sql.SQL(
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE, SELECT ON SEQUENCES TO {role}"
    ),
)


def _make_role(connection: Connection, role: str, password: str) -> bool:
    """Make it, or give it this password, if the owner may; whether it is new."""
    exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    may_make = connection.execute(
        "SELECT 1 FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolcreaterole)"
    ).fetchone()
    if not may_make:
        if exists:
            return False
        raise RoleMissing(
            f"The role {role} does not exist, and {connection.info.user} may not make roles. "
            "Nothing was changed. Let a database administrator run "
            f"CREATE ROLE {role} LOGIN PASSWORD '…' with the password in APP_DATABASE_URL, "
            "then run this again."
        )
    # Hashed here, because a server may write statements to its log.
    hashed = connection.pgconn.encrypt_password(password.encode(), role.encode())
    connection.execute(
        sql.SQL("{how} ROLE {role} LOGIN PASSWORD {password}").format(
            how=sql.SQL("ALTER" if exists else "CREATE"),
            role=sql.Identifier(role),
            password=sql.Literal(hashed.decode()),
        )
    )
    return not exists


if __name__ == "__main__":
    env = Environment()
    try:
        sys.stdout.write(grant_rights(env.str("DATABASE_URL"), env.str("APP_DATABASE_URL")) + "\n")
    except (RoleMissing, psycopg.Error) as error:
        sys.exit(str(error))
