"""What one API process is made of."""

from dataclasses import dataclass

from seewhy.catalog import Catalog
from seewhy.hints import Bell
from seewhy.ledger.ledger import Ledger
from seewhy.ledger.outbox import Outbox
from seewhy.objects.store import ObjectStore
from seewhy.settings import Settings
from seewhy_api.finding import Finder
from seewhy_api.tail import Tail
from seewhy_api.watcher import Watcher


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """The collaborators that the routes are handed; built in `seewhy_api.app` alone."""

    settings: Settings
    catalog: Catalog
    ledger: Ledger
    outbox: Outbox
    store: ObjectStore
    bell: Bell
    tail: Tail
    watcher: Watcher
    finder: Finder
