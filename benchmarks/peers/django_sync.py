# mypy: ignore-errors
# The peers' packages are not there where types are checked.
"""Django's ORM, blocking, on its one connection, which is in autocommit."""

from __future__ import annotations

import django
from django.conf import settings

from ..contestants.sqlite import PRAGMAS
from .base import Peer, server, values_of

ENGINES = {"sqlite": "sqlite3", "postgres": "postgresql", "mysql": "mysql"}
#: Rows of one INSERT.
AT_ONCE = 1000


def configure(database: str, address: str) -> None:
    """Set Django up, which has to be done before its models are made."""
    found = {"ENGINE": f"django.db.backends.{ENGINES[database]}", "NAME": address}
    if database == "sqlite":
        found["OPTIONS"] = {"init_command": "; ".join(PRAGMAS)}
    else:
        given = server(database, address)
        found |= {name.upper(): given[name] for name in ("host", "port", "user", "password")}
    settings.configure(DATABASES={"default": found}, INSTALLED_APPS=[], USE_TZ=False, DEBUG=False)
    django.setup()


class Django(Peer):
    def open(self) -> None:
        configure(self.database, self.address)
        from django.db import connection, transaction
        from django.db.models import Prefetch

        from . import django_models as models  # needs Django to be set up

        self.connection, self.atomic = connection, transaction.atomic
        self.user, self.contact, self.member = models.User, models.Contact, models.Member
        self.author = models.Author
        self.posts = Prefetch("posts", queryset=models.Post.objects.order_by("id"))
        own_user = lambda user: self.user(**values_of(user))  # noqa: E731
        verbs = ("insert", "insert_in_transaction", "update_in_transaction", "delete_in_transaction", "insert_many")
        own_member = lambda member: self.member(**values_of(member))  # noqa: E731
        self.own = {**dict.fromkeys(verbs, own_user), "insert_many_given": own_member}

    def shut(self) -> None:
        self.connection.close()

    def get(self, key):
        return self.user.objects.get(pk=key)

    def list_plain(self):
        return list(self.contact.objects.all())

    def list_rich(self):
        return list(self.user.objects.all())

    def filter(self, age):
        return list(self.user.objects.filter(age__gte=age, active=True).order_by("-id")[:20])

    def count(self, age):
        return self.user.objects.filter(age__gte=age, active=True).count()

    def exists(self, email):
        return self.user.objects.filter(email=email).exists()

    def update_where(self, age, status):
        return self.user.objects.filter(age=age).update(status=status, active=False)

    def insert(self, user):
        user.save(force_insert=True)
        return user

    def insert_in_transaction(self, users):
        with self.atomic():
            for user in users:
                user.save(force_insert=True)
        return users

    def update_in_transaction(self, users):
        with self.atomic():
            for user in users:
                user.save(force_update=True)  # it raises where there is no such row
        return [1] * len(users)

    def delete_in_transaction(self, users):
        with self.atomic():
            return [user.delete()[0] for user in users]

    def insert_many(self, users):
        return self.user.objects.bulk_create(users, batch_size=AT_ONCE)

    def insert_many_given(self, members):
        self.member.objects.bulk_create(members, batch_size=AT_ONCE)

    def eager_load(self):
        return [(author, author.posts.all()) for author in self.author.objects.prefetch_related(self.posts)]
