"""Many to many: a model between two others links them; `link` and `unlink` change what is linked.

It prints:

    Song has: placements, playlists
    Playlist has: placements, songs
    Road trip: Blue, Green
    linked: 1 new (2 were there already)
    Road trip: Blue, Green, Red
    unlinked: 1
    Road trip: Blue, Red
    Blue is on: Focus, Road trip
    placed with weight: 1
    Ada follows Bob, Cid; is followed by Bob
"""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mini_orm import AsyncDatabase, AsyncUnifiedRepository, Database, UnifiedRepository, model_relations


@dataclass
class Song:
    title: str
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class Playlist:
    name: str
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})


@dataclass
class Placement:
    """Its whole key is two foreign keys: so it links songs and playlists. A further field needs a default."""

    playlist_id: int = field(metadata={"pk": True, "fk": (Playlist, "id"), "on_delete": "cascade"})
    song_id: int = field(metadata={"pk": True, "fk": (Song, "id"), "on_delete": "cascade"})
    weight: int = 1


@dataclass
class User:
    """Both sides of this link are users, so which field is whose has to be said."""

    name: str
    id: int | None = field(default=None, metadata={"pk": True, "auto": True})

    __relations__: ClassVar[dict[str, Any]] = {
        "following": {"model": "User", "through": "Follow", "local_key": "follower_id", "remote_key": "followed_id"},
        "followers": {"model": "User", "through": "Follow", "local_key": "followed_id", "remote_key": "follower_id"},
    }


@dataclass
class Follow:
    follower_id: int = field(metadata={"pk": True, "fk": (User, "id"), "related_name": "follows"})
    followed_id: int = field(metadata={"pk": True, "fk": (User, "id"), "related_name": "followed"})


def show(hub: UnifiedRepository, playlist: Playlist) -> None:
    """Print what is on a playlist."""
    found = hub.get_related(Playlist, playlist.id, include="songs")
    assert found is not None
    print(f"{playlist.name}:", ", ".join(song.title for song in found.relations["songs"]))


def playlists() -> None:
    """Create, link and unlink."""
    for model in (Song, Playlist):
        print(f"{model.__name__} has:", ", ".join(sorted(model_relations(model))))
    db = Database(sqlite3.connect(":memory:"))
    hub = UnifiedRepository(db, auto_schema=True)
    blue, green, red = Song("Blue"), Song("Green"), Song("Red")
    trip = hub.create(Playlist("Road trip"), relations={"songs": [blue, green]})  # new songs are inserted
    show(hub, trip)
    hub.insert(red)
    new = hub.link(trip, "songs", [blue, green, red])
    print(f"linked: {new} new (2 were there already)")
    show(hub, trip)
    print("unlinked:", hub.unlink(trip, "songs", [green]))
    show(hub, trip)
    hub.create(Playlist("Focus"), relations={"songs": [blue]})  # a song that has its key is linked
    found = hub.get_related(Song, blue.id, include="playlists")
    assert found is not None
    print("Blue is on:", ", ".join(sorted(playlist.name for playlist in found.relations["playlists"])))
    placements = hub.list(Placement)
    print("placed with weight:", *sorted({placement.weight for placement in placements}))
    db.close()


async def users() -> None:
    """The same, awaited."""
    async with AsyncDatabase(sqlite3.connect(":memory:")) as db:
        hub = AsyncUnifiedRepository(db, auto_schema=True)
        ada, bob, cid = await hub.insert_many([User("Ada"), User("Bob"), User("Cid")])
        await hub.link(ada, "following", [bob, cid])
        await hub.link(ada, "followers", [bob])
        found = await hub.get_related(User, ada.id, include=["following", "followers"])
        assert found is not None
        names = [", ".join(user.name for user in found.relations[name]) for name in ("following", "followers")]
        print(f"Ada follows {names[0]}; is followed by {names[1]}")


playlists()
asyncio.run(users())
