"""Which server the tests meet as MariaDB: Debian's program, or a MySQL that is named.

May not be imported by the package. With PROGRAM_VARIABLE set, all that is tested on MariaDB is
tested on that MySQL in its stead, under the same names.
"""

import getpass
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url

#: Set to the path of a `mysqld` of MySQL 8.0 or later.
PROGRAM_VARIABLE = "GONGYI_BANK_TEST_MYSQLD"
#: Set to the URL of a running MariaDB or MySQL (an account that may create databases).
SERVER_URL_VARIABLE = "GONGYI_BANK_TEST_MARIADB_URL"
#: Long enough for a program that makes its data under load.
SECONDS_MAX = 60.0


class MariadbMissing(Exception):
    """There is no server here, and none was named."""


@dataclass(frozen=True, slots=True)
class Program:
    """What is started, and how it is told what it must be told."""

    #: As in a URL.
    backend: str
    server: str
    #: Makes the data of a server that has one user, root, without a password.
    maker: tuple[str, ...]
    #: Without these it would not start beside others.
    settings: tuple[str, ...]

    def make_data(self, data: Path) -> None:
        """Make the data folder; some seconds for MySQL."""
        with tempfile.TemporaryDirectory() as name:
            command = [self.maker[0], *_places(data, Path(name)), *self.maker[1:]]
            subprocess.run(command, check=True, capture_output=True, timeout=SECONDS_MAX)

    def command(self, data: Path, socket: Path, temporary: Path) -> list[str]:
        """What starts it; settings may follow. Nobody else may use the folder `temporary`."""
        return [self.server, *_places(data, temporary), f"--socket={socket}", *self.settings]

    def url(self, socket: Path, database: str | None = None) -> URL:
        """How it is reached: by a socket, without TLS, for which 20 ms of certificates are read."""
        url = URL.create(f"{self.backend}+pymysql", "root", host="localhost", database=database)
        return url.update_query_dict({"unix_socket": str(socket), "ssl_disabled": "true"})


def _places(data: Path, temporary: Path) -> list[str]:
    """Told apart from all other servers: no settings of theirs, no data, no temporary tables.

    A server that starts removes whatever is called "#sql…" in its folder of temporary tables. In
    one that several share, /tmp by default, it takes them from under a server that is at work:
    MariaDB then refuses the statement, or crashes.
    """
    user = f"--user={getpass.getuser()}"
    return ["--no-defaults", f"--datadir={data}", f"--tmpdir={temporary}", user]


def named_or_installed() -> Program:
    """The program to be tested. Raises MariadbMissing."""
    named = os.environ.get(PROGRAM_VARIABLE)
    if named:
        making = ("--initialize-insecure", "--innodb-flush-method=nosync", "--skip-log-bin")
        # A distribution's own wants a folder for LOAD DATA that only its service makes. The driver
        # takes TLS wherever it is offered, and nobody can see then where a COMMIT is lost.
        beside = ("--secure-file-priv=NULL", "--mysqlx=OFF", "--tls-version=")
        return Program("mysql", named, (named, *making), beside)
    install, server = _found("mariadb-install-db"), _found("mariadbd")
    told = ("--auth-root-authentication-method=normal", "--skip-test-db")
    return Program("mariadb", server, (install, *told), ())


def _found(name: str) -> str:
    """Where a program is; Debian's lie in sbin, which a user's PATH may lack."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if found is None:
        raise MariadbMissing
    return found


def engine_name(url: URL | str) -> str:
    """What the tests call the engine of a URL: MySQL stands in MariaDB's place."""
    backend = make_url(url).get_backend_name()
    return "mariadb" if backend == "mysql" else backend


def is_mysql(url: URL | str) -> bool:
    """Whether it is MySQL that stands there."""
    return make_url(url).get_backend_name() == "mysql"


#: Whether this run tests MySQL in MariaDB's place.
MYSQL_IS_TESTED = bool(os.environ.get(PROGRAM_VARIABLE)) or (
    SERVER_URL_VARIABLE in os.environ and is_mysql(os.environ[SERVER_URL_VARIABLE])
)
