"""Names for a shell that completes words: read from the file itself, so that nothing heavy is loaded. Changes nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

FILE = "store.sqlite"
"""The file of the store in its home; here, since `store/database` loads more than a shell waits for."""
MOST = 500
BUSY_S = 0.1
_LAST = "\U0010ffff"
_GONE = "('superseded', 'expired')"
_NAMES = "SELECT name FROM service WHERE name >= ? AND name < ? GROUP BY name HAVING count(*) = 1 ORDER BY name LIMIT ?"
_FEW = "SELECT name FROM service ORDER BY name LIMIT 5000"  # nobody waits for those of a million services
_TWICE = f"SELECT name FROM ({_FEW}) GROUP BY name HAVING count(*) > 1"
_OF_SEVERAL = f"SELECT id FROM service WHERE name IN ({_TWICE}) ORDER BY id LIMIT ?"
_PLANS = "SELECT id FROM plan WHERE id >= ? AND id < ? ORDER BY stored DESC LIMIT ?"
_ENVIRONMENTS = "SELECT DISTINCT environment FROM service WHERE environment >= ? AND environment < ? ORDER BY 1 LIMIT ?"
_CUSTOMERS = "SELECT DISTINCT customer FROM service WHERE customer >= ? AND customer < ? ORDER BY 1 LIMIT ?"
_REGIONS = "SELECT DISTINCT json_extract(spec, '$.region') FROM (SELECT spec FROM service LIMIT 5000) ORDER BY 1"
_IDS = "SELECT id FROM service WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"


class Reader:
    """The names in one store file that begin with a word, at most MOST of a kind. Each raises sqlite3.Error where it cannot."""

    def __init__(self, path: Path) -> None:
        self._uri = f"file:{quote(str(path))}?mode=ro"

    def services(self, begin: str) -> list[str]:
        """As a person types them: the bare name where only one service has it, else ENVIRONMENT/NAME."""
        ids = self._column(_IDS, begin, begin + _LAST, MOST) if begin else []
        if "/" in begin:
            return ids
        several = [] if begin else self._column(_OF_SEVERAL, MOST)
        return list(dict.fromkeys([*self._column(_NAMES, begin, begin + _LAST, MOST), *several, *ids]))

    def waves(self, begin: str, *, everything: bool = False) -> list[str]:
        """The newest first; those that can never begin any more only if `everything` is asked for."""
        where = "" if everything else f"WHERE state NOT IN {_GONE} "
        found = self._column(f"SELECT 'wave-' || number FROM wave {where}ORDER BY number DESC")
        return [name for name in found if name.startswith(begin)][:MOST]

    def plans(self, begin: str) -> list[str]:
        """The newest first."""
        return self._column(_PLANS, begin, begin + _LAST, MOST)

    def policies(self, begin: str) -> list[str]:
        """Those that somebody put in force here."""
        found = self._column("SELECT DISTINCT name FROM policy ORDER BY name")
        return [name for name in found if name.startswith(begin)][:MOST]

    def schedules(self, begin: str) -> list[str]:
        """The numbers of schedules that bind their wave still."""
        found = self._column("SELECT CAST(id AS TEXT) FROM schedule WHERE ended IS NULL ORDER BY id DESC LIMIT ?", MOST)
        return [number for number in found if number.startswith(begin)]

    def environments(self, begin: str) -> list[str]:
        """All that a service is in."""
        return self._column(_ENVIRONMENTS, begin, begin + _LAST, MOST)

    def customers(self, begin: str) -> list[str]:
        """All that own a service."""
        return self._column(_CUSTOMERS, begin, begin + _LAST, MOST)

    def regions(self, begin: str) -> list[str]:
        """Those of a few thousand services."""
        return [name for name in self._column(_REGIONS) if name and name.startswith(begin)][:MOST]

    def _column(self, query: str, *values: object) -> list[str]:
        with closing(sqlite3.connect(self._uri, uri=True, timeout=BUSY_S)) as connection:
            return [row[0] for row in connection.execute(query, values)]
