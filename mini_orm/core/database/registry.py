"""What one database knows of the models that are used on it, and of its server.

Rules of this file:
- One registry for each connection or pool, shared by all databases on it: what one of them registered, or found ready,
  holds for the others and for every `tx`.
- Classes are held weakly; a class that is defined again is another one.
- A model is ready when its schema was seen or made, and that was committed. What a transaction made is kept by its
  blocks (see `Block.made`) until it is.
"""

from __future__ import annotations

import weakref
from typing import Any

from ..dialects import Dialect
from .locks import Lock


class Registry:
    """The models of one database: which are registered, and which have their schema."""

    __slots__ = ("__weakref__", "features", "lock", "ready", "registered")

    def __init__(self) -> None:
        #: What the server answered to the dialect's `features_sql`; `None` before, and where there is nothing to ask.
        self.features: Any = None
        #: Model -> whether its schema is looked after where `auto_schema` asks for it.
        self.registered: weakref.WeakKeyDictionary[type, bool] = weakref.WeakKeyDictionary()
        self.ready: weakref.WeakSet[type] = weakref.WeakSet()
        #: Held by who looks after schemas outside of a transaction, so that each is looked at once.
        self.lock = Lock()

    def settled(self, dialect: Dialect) -> Dialect:
        """Return a dialect as the server speaks it, as far as that is known."""
        return dialect if self.features is None else dialect.settled(self.features)
