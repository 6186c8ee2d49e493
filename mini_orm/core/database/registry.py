"""What one database knows of the models that are used on it.

Rules of this file:
- One registry for each connection or pool, shared by all databases on it: what one of them registered, or found ready,
  holds for the others and for every `tx`.
- Classes are held weakly; a class that is defined again is another one.
- A model is ready when its schema was seen or made, and that was committed. What a transaction made is kept by its
  blocks (see `Block.made`) until it is.
"""

from __future__ import annotations

import weakref

from .locks import Lock


class Registry:
    """The models of one database: which are registered, and which have their schema."""

    __slots__ = ("__weakref__", "lock", "ready", "registered")

    def __init__(self) -> None:
        #: Model -> whether its schema is looked after where `auto_schema` asks for it.
        self.registered: weakref.WeakKeyDictionary[type, bool] = weakref.WeakKeyDictionary()
        self.ready: weakref.WeakSet[type] = weakref.WeakSet()
        #: Held by who looks after schemas outside of a transaction, so that each is looked at once.
        self.lock = Lock()
