# mypy: ignore-errors
# The peers' packages are not there where types are checked.
"""SQLAlchemy's ORM, awaited: a session for each call, on a pool's connection in autocommit."""

from __future__ import annotations

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import selectinload

from ..contestants.base import CONNECTIONS
from .base import AsyncPeer, url, values_of, without_key
from .sqlalchemy_models import Author, Contact, Member, User
from .sqlalchemy_sync import OPTIONS, listen

SCHEMES = {"sqlite": "sqlite+aiosqlite", "postgres": "postgresql+asyncpg", "mysql": "mysql+asyncmy"}
UNSYNCHRONIZED = {"synchronize_session": False}


class AsyncSqlAlchemy(AsyncPeer):
    def __init__(self, database: str, address: str) -> None:
        self.own = dict.fromkeys(
            ("insert", "insert_in_transaction", "insert_many"), lambda user: User(**values_of(user))
        )
        super().__init__(database, address)

    async def start(self) -> None:
        address = url(SCHEMES[self.database], self.database, self.address)
        options = OPTIONS.get(self.database, {})
        self.engines = [
            create_async_engine(address, connect_args=options, isolation_level="AUTOCOMMIT", pool_size=CONNECTIONS),
            create_async_engine(address, connect_args=options),
        ]
        for engine in self.engines:
            listen(engine.sync_engine, self.database)
        single, transactions = self.engines
        self.session = async_sessionmaker(single, expire_on_commit=False)
        self.transaction = async_sessionmaker(transactions, expire_on_commit=False)

    async def stop(self) -> None:
        for engine in self.engines:
            await engine.dispose()

    async def get(self, key):
        async with self.session() as session:
            return await session.get(User, key)

    async def page(self, key):
        async with self.session() as session:
            return (await session.scalars(select(User).where(User.id >= key).order_by(User.id).limit(100))).all()

    async def list_plain(self):
        async with self.session() as session:
            return (await session.scalars(select(Contact))).all()

    async def list_rich(self):
        async with self.session() as session:
            return (await session.scalars(select(User))).all()

    async def filter(self, age):
        query = select(User).where(User.age >= age, User.active.is_(True)).order_by(User.id.desc()).limit(20)
        async with self.session() as session:
            return (await session.scalars(query)).all()

    async def count(self, age):
        query = select(func.count()).select_from(User).where(User.age >= age, User.active.is_(True))
        async with self.session() as session:
            return await session.scalar(query)

    async def exists(self, email):
        async with self.session() as session:
            return await session.scalar(select(select(User).where(User.email == email).exists()))

    async def update_where(self, age, status):
        async with self.session() as session:
            change = update(User).where(User.age == age).values(status=status, active=False)
            affected = (await session.execute(change, execution_options=UNSYNCHRONIZED)).rowcount
            await session.commit()
            return affected

    async def insert(self, user):
        async with self.session() as session:
            session.add(user)
            await session.commit()
            return user

    async def insert_in_transaction(self, users):
        async with self.transaction.begin() as session:
            for user in users:
                session.add(user)
                await session.flush()
        return users

    async def update_in_transaction(self, users):
        async with self.transaction.begin() as session:
            found = []
            for user in users:
                change = update(User).where(User.id == user.id).values(**without_key(user))
                found.append((await session.execute(change, execution_options=UNSYNCHRONIZED)).rowcount)
            return found

    async def delete_in_transaction(self, users):
        async with self.transaction.begin() as session:
            found = []
            for user in users:
                change = delete(User).where(User.id == user.id)
                found.append((await session.execute(change, execution_options=UNSYNCHRONIZED)).rowcount)
            return found

    async def insert_many(self, users):
        async with self.transaction.begin() as session:
            session.add_all(users)
        return users

    async def insert_many_given(self, members):
        async with self.transaction.begin() as session:
            await session.execute(insert(Member), [values_of(member) for member in members])

    async def eager_load(self):
        async with self.session() as session:
            found = await session.scalars(select(Author).options(selectinload(Author.posts)))
            return [(one, one.posts) for one in found]
