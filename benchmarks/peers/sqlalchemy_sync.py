# mypy: ignore-errors
# The peers' packages are not there where types are checked.
"""SQLAlchemy's ORM, blocking: a session for each call, on a pool's connection in autocommit."""

from __future__ import annotations

from sqlalchemy import create_engine, delete, event, func, insert, select, update
from sqlalchemy.orm import Session, selectinload, sessionmaker

from ..contestants.sqlite import PRAGMAS
from . import sqlalchemy_models
from .base import Peer, url, values_of, without_key

SCHEMES = {"sqlite": "sqlite", "postgres": "postgresql+psycopg", "mysql": "mysql+mysqldb"}
#: The server counts rows as mini_orm has it count them; SQLAlchemy says so by itself.
OPTIONS = {"mysql": {"charset": "utf8mb4"}}


def set_pragmas(conn, _record) -> None:
    """Set up a new connection as all contestants have it."""
    cursor = conn.cursor()
    for pragma in PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def listen(engine, database: str) -> None:
    """See that an engine's connections are set up."""
    if database == "sqlite":
        event.listen(engine, "connect", set_pragmas)


class SqlAlchemy(Peer):
    models = sqlalchemy_models
    session_class = Session

    def open(self) -> None:
        address = url(SCHEMES[self.database], self.database, self.address)
        options = OPTIONS.get(self.database, {})
        # As the others: a statement alone is its own transaction, with no BEGIN before it.
        self.engines = [
            create_engine(address, connect_args=options, isolation_level="AUTOCOMMIT"),
            create_engine(address, connect_args=options),
        ]
        for engine in self.engines:
            listen(engine, self.database)
        single, transactions = self.engines
        self.session = sessionmaker(single, class_=self.session_class, expire_on_commit=False)
        self.transaction = sessionmaker(transactions, class_=self.session_class, expire_on_commit=False)
        self.user, self.member = self.models.User, self.models.Member
        own_user = lambda user: self.user(**values_of(user))  # noqa: E731
        self.own = dict.fromkeys(("insert", "insert_in_transaction", "insert_many"), own_user)

    def shut(self) -> None:
        for engine in self.engines:
            engine.dispose()

    def get(self, key):
        with self.session() as session:
            return session.get(self.user, key)

    def list_plain(self):
        with self.session() as session:
            return session.scalars(select(self.models.Contact)).all()

    def list_rich(self):
        with self.session() as session:
            return session.scalars(select(self.user)).all()

    def filter(self, age):
        user = self.user
        query = select(user).where(user.age >= age, user.active.is_(True)).order_by(user.id.desc()).limit(20)
        with self.session() as session:
            return session.scalars(query).all()

    def count(self, age):
        query = select(func.count()).select_from(self.user).where(self.user.age >= age, self.user.active.is_(True))
        with self.session() as session:
            return session.scalar(query)

    def exists(self, email):
        with self.session() as session:
            return session.scalar(select(select(self.user).where(self.user.email == email).exists()))

    def update_where(self, age, status):
        with self.session() as session:
            change = update(self.user).where(self.user.age == age).values(status=status, active=False)
            affected = session.execute(change, execution_options={"synchronize_session": False}).rowcount
            session.commit()
            return affected

    def insert(self, user):
        with self.session() as session:
            session.add(user)
            session.commit()
            return user

    def insert_in_transaction(self, users):
        with self.transaction.begin() as session:
            for user in users:
                session.add(user)
                session.flush()
        return users

    def update_in_transaction(self, users):
        own = self.user
        with self.transaction.begin() as session:
            return [
                session.execute(
                    update(own).where(own.id == user.id).values(**without_key(user)),
                    execution_options={"synchronize_session": False},
                ).rowcount
                for user in users
            ]

    def delete_in_transaction(self, users):
        own = self.user
        with self.transaction.begin() as session:
            return [
                session.execute(
                    delete(own).where(own.id == user.id), execution_options={"synchronize_session": False}
                ).rowcount
                for user in users
            ]

    def insert_many(self, users):
        with self.transaction.begin() as session:
            session.add_all(users)
        return users

    def insert_many_given(self, members):
        with self.transaction.begin() as session:
            session.execute(insert(self.member), [values_of(member) for member in members])

    def eager_load(self):
        author = self.models.Author
        with self.session() as session:
            return [(one, one.posts) for one in session.scalars(select(author).options(selectinload(author.posts)))]
