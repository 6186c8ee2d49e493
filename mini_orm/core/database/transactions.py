"""Transactions: blocks that an operation opens for itself, and scopes that the user opens.

Rules of this file:
- A block is BEGIN … COMMIT on an idle connection and SAVEPOINT … RELEASE inside of a transaction, whoever began
  it. BEGIN is sent inside the guarded part, so that an interrupt right after it finds the block and undoes it.
- Who has the connection has its lock. A transaction has it from BEGIN to COMMIT; the scope then has a lock of its
  own for what goes on inside, and a nested transaction holds that one. So one statement runs at a time, and
  strangers wait at the level that they were given: at the connection (`db`), or inside (`tx`).
- Through `db` a transaction belongs to the thread or task that opened it. A context variable tells who inherited
  it (gather, TaskGroup, to_thread): those would wait for their own parent, so they get an error at once.
- No code of a model or a user runs inside a block.
- Undoing never hides the first error; what can't be undone makes the connection broken.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TypeVar

from ...errors import DatabaseError, TransactionError
from .. import log
from .executors import Executor
from .guards import IN_THE_MIDDLE, Guard, Lease, Reader, Runner, Source
from .locks import Lock, ThreadHold
from .streams import end_left

R = TypeVar("R")
_open_scopes: ContextVar[tuple[Scope, ...]] = ContextVar("mini_orm_open_scopes", default=())


class Block:
    """A transaction, or a savepoint where there is one already, on an executor."""

    __slots__ = ("_executor", "_is_certain", "_savepoint", "_state", "is_dropped", "made")

    @property
    def is_open(self) -> bool:
        """Whether there may be something to undo."""
        return self._state == "open"

    @property
    def savepoint(self) -> str | None:
        """The quoted name of the savepoint; `None` for a transaction."""
        return self._savepoint

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._savepoint: str | None = None
        self._is_certain = False
        self._state = "new"
        #: Nobody will end it; what it stands in must not be committed.
        self.is_dropped = False
        #: Models whose schema was made, or seen, inside.
        self.made: set[type] = set()

    async def begin(self, isolation: str | None = None, *, read_only: bool = False) -> None:
        """Open the block; after an error, or an interrupt, `rollback` undoes what was done."""
        executor = self._executor
        executor.require_transaction()
        if executor.streams:
            await end_left(executor)
        if executor.in_transaction:
            self._savepoint = executor.dialect.quote(f"mini_orm_{len(executor.blocks) + 1}")
            self._state = "open"
            await executor.command(f"SAVEPOINT {self._savepoint}")
            self._is_certain = True
        else:
            self._state = "open"
            for sql in executor.dialect.begin(isolation, read_only=read_only):
                await executor.command(sql)
        executor.blocks.append(self)

    async def commit(self) -> None:
        """Close the block and keep what was done in it.

        Raises:
            TransactionError: the transaction is not there any more.
            DatabaseError: the database refused; nothing is kept after `rollback`.
        """
        executor = self._executor
        if self._state != "open":
            raise TransactionError("the transaction around this one has ended, and this one with it")
        executor.require_transaction()
        if executor.is_aborted:
            raise TransactionError("a statement in this transaction failed, so the database keeps nothing of it")
        if any(block.is_dropped for block in executor.blocks):
            raise TransactionError("a transaction inside of this one was dropped before its end; nothing is kept")
        if executor.streams:
            await self._end_streams()
        self._is_certain = False
        await executor.command("COMMIT" if self._savepoint is None else f"RELEASE SAVEPOINT {self._savepoint}")
        self._finish()
        if self.made and (executor.blocks or self._savepoint is None):  # else the user may yet roll it back
            executor.remember(self.made)

    async def rollback(self) -> None:
        """Undo the block, if there is something to undo. A failure is logged, and breaks the connection."""
        if self._state != "open":
            return
        try:
            await self._end_streams()
            if self._executor.in_transaction:
                await self._undo()
        except DatabaseError as exc:
            log.warning("nothing is left to roll back: %s", type(exc).__name__)
        except BaseException:  # an interrupt in the very lines that undo: once more, and then it goes on
            if self._executor.in_transaction:
                await self._undo()
            self._finish()
            raise
        self._finish()

    async def _end_streams(self) -> None:
        """Let go of results that are still read inside."""
        blocks = self._executor.blocks
        for stream in tuple(self._executor.streams):
            if stream.block not in blocks or self in blocks[: blocks.index(stream.block) + 1]:
                await stream.end(with_transaction=self._savepoint is None)

    async def _undo(self) -> None:
        executor = self._executor
        try:
            if self._savepoint is not None:
                await self._undo_savepoint()
                return
        except Exception as exc:  # whatever the driver raised, the whole transaction is next
            log.warning("a rollback to a savepoint failed (%s); rolling back the whole transaction", type(exc).__name__)
        try:
            await executor.command("ROLLBACK", unwinding=True)
        except Exception as exc:  # the first error is on its way to the caller; this one is remembered
            if executor.in_transaction:
                log.error("a rollback failed (%s); the connection is given up", type(exc).__name__)
                executor.broken = exc

    async def _undo_savepoint(self) -> None:
        try:
            await self._executor.command(f"ROLLBACK TO SAVEPOINT {self._savepoint}", unwinding=True)
        except DatabaseError:
            if self._is_certain:
                raise
            return  # an interrupt fell on SAVEPOINT or RELEASE, and the savepoint is not there
        await self._executor.command(f"RELEASE SAVEPOINT {self._savepoint}", unwinding=True)

    def _finish(self) -> None:
        self._state = "ended"
        blocks = self._executor.blocks
        if self in blocks:  # what was opened inside of it ends with it
            place = blocks.index(self)
            for block in blocks[place:]:
                block._state = "ended"
            del blocks[place:]


async def atomic(executor: Executor, work: Callable[[], Awaitable[R]]) -> R:
    """Run `work` so that all of it happens or nothing: in a transaction, or under a savepoint of the open one."""
    block = Block(executor)
    try:
        await block.begin()
        result = await work()
        await block.commit()
    except BaseException:
        await block.rollback()
        raise
    return result


class EndedError(TransactionError):
    """The transaction had ended before the call was let in: nothing of it was done."""


class Scope:
    """A transaction that the user opened, from the connection it waits for to the connection it gives back."""

    #: The connection that it is on; set when it has one.
    guard: Guard

    def __init__(
        self,
        source: Source,
        runner: Runner,
        parent: Scope | None,
        *,
        isolation: str | None = None,
        read_only: bool = False,
        outermost: bool = False,
        reader: Reader | None = None,
    ) -> None:
        if outermost and parent is not None:
            raise TransactionError("run_in_transaction can't run inside a transaction, which it could not repeat")
        self.source = source
        self.parent = parent
        self.child: Scope | None = None
        self.lock = Lock()
        self.owner: object = None
        self.is_open = False
        self.isolation = isolation
        self._guard: Guard | None = None
        self._runner = runner
        self._lease: Lease = source.lease(runner, reader) if parent is None else _ParentLease(parent, runner)
        self._read_only = read_only
        self._was_read_only = False
        self._outermost = outermost
        self._entered = False
        # Made in `_begin`: the first use of a connection may choose another executor.
        self._block: Block | None = None

    def is_inside(self, scope: Scope | None) -> bool:
        """Whether this scope stands somewhere inside `scope` (`None`: the connection)."""
        above = self.parent
        while above is not scope:
            if above is None:
                return False
            above = above.parent
        return True

    def is_of_another(self, scope: Scope) -> bool:
        """Tell whether neither the caller nor who opened `scope` opened this one: it is left without their help."""
        return self.owner not in (scope.owner, self._runner.owner())

    def hold(self) -> ThreadHold:
        """Make a claim on what goes on inside."""
        return self._runner.hold(self.lock)

    def check(self) -> None:
        """Refuse a transaction that is over, or whose nested one is another task's of this very thread.

        Raises:
            TransactionError: says which.
        """
        if not self.is_open:
            raise EndedError("this transaction has ended; tx can be used only inside of its with block")
        if self.child is not None:
            raise TransactionError(
                "another task of this thread has a nested transaction open, and a blocking database can't wait for it"
            )

    async def open(self) -> None:
        """Wait for the connection, or for the transaction around, and begin."""
        parent = self.parent
        if parent is not None and self.isolation is not None and self.isolation != parent.isolation:
            raise TransactionError("a nested transaction can't have an isolation level of its own")
        guard = self.guard = self._guard = await self._lease.acquire()
        self.owner = self._runner.owner()
        if parent is None:
            guard.scope = self
        else:
            parent.child = self
        await guard.runner.perform(guard, self._begin())
        self.is_open = True
        self._show()

    def _show(self) -> None:
        """Have calls in this context find the transaction."""
        _open_scopes.set((*_open_scopes.get(), self))

    async def _begin(self) -> None:
        executor = self.guard.executor
        if self.parent is None:
            self._entered = True
            await executor.enter_awaited()
            if executor.in_transaction:
                self._refuse_joined()
        self._block = Block(executor)
        await self._block.begin(self.isolation, read_only=self._read_only)
        if self._read_only and self.parent is None:
            executor.hold_read_only()
        self._was_read_only = executor.read_only
        executor.read_only = self._read_only or self._was_read_only

    def _refuse_joined(self) -> None:
        if self._outermost:
            raise TransactionError("run_in_transaction can't run inside a transaction, which it could not repeat")
        if self.isolation is not None:
            raise TransactionError("the connection is in a transaction already, whose isolation level can't be changed")

    async def close(self, *, keep: bool, wait: bool = True) -> None:
        """Commit (`keep`) or roll back, and give the lock back. Called again, it does what is left to do.

        Args:
            wait: let what another thread or task does on `tx` at this moment come to its end first; to commit, its
                nested transactions, too.
        """
        innermost = self
        while innermost.child is not None and not (keep and wait and innermost.child.is_of_another(self)):
            innermost = innermost.child
        inside = self._runner.hold(innermost.lock)
        ended = False
        try:
            if self._block is not None or self._entered:
                if wait:
                    await inside.acquire()
                await self.guard.runner.perform(self.guard, self._end(keep=keep))
            ended = keep
        except DatabaseError as exc:
            if self._block is not None:  # the connection is gone, and `_end` was never reached
                self.guard.executor.give_up(exc)
                self._block, self._entered = None, False
            if keep:
                raise
            log.warning("nothing is left to roll back: %s", type(exc).__name__)  # the first error goes on
        finally:
            try:
                if self._block is None and not self._entered:
                    await self._give_back(quiet=not ended)
            finally:
                inside.release()

    async def _give_back(self, *, quiet: bool) -> None:
        try:
            if self._guard is not None:
                await self._lease.settle(quiet=quiet)
        finally:
            self.release()

    async def _end(self, *, keep: bool) -> None:
        block = self._block
        was_open = block is not None and block.is_open
        try:
            if keep and self.child is not None:
                raise TransactionError("a nested transaction is still open; it has to end first")
            if keep and block is not None:
                await block.commit()
        finally:
            try:
                if block is not None:
                    await block.rollback()  # nothing to do after a commit
            finally:  # also where the caller is cancelled once more, and hears of it now that the rollback is done
                if block is None or not block.is_open:  # else an interrupt came first, and `close` is called again
                    await self._let_go(was_open=was_open)

    async def _let_go(self, *, was_open: bool) -> None:
        """Note that nothing of it is left on the connection, and end the use."""
        if self._block is not None:
            self._block = None
            if was_open:  # else the transaction around it has ended before, and this is another one's
                self.guard.executor.read_only = self._was_read_only
        if self._entered:
            self._entered = False
            await self.guard.executor.leave_awaited()

    def release(self) -> None:
        """Forget the transaction, and give the lock back. What is open of it, the next use rolls back."""
        ended: Scope | None = self
        if self._block is not None and self._block.is_open:
            self._block.is_dropped = True
        while ended is not None:  # what stands inside of it has ended, too
            ended.is_open = False
            ended = ended.child
        if self.parent is None:
            if self._guard is not None and self._guard.scope is self:
                self._guard.scope = None
        elif self.parent.child is self:
            self.parent.child = None
        _open_scopes.set(tuple(scope for scope in _open_scopes.get() if scope is not self))
        self._lease.drop()


READING = (
    "an iteration reads on this connection, which is its alone until it ends; close it first, or open a transaction "
    "around it, or use a pool, where it has a connection of its own"
)


class ReadingScope(Scope):
    """The transaction of an iteration that stands in none: it has the connection from the first row to the last."""

    def __init__(self, source: Source, runner: Runner, reader: Reader | None = None) -> None:
        super().__init__(source, runner, None, read_only=True, reader=reader)
        self._reader = reader

    @property
    def is_left(self) -> bool:
        """Whether nobody reads on, and its end is on the way: who comes now may wait for that."""
        return self._reader is not None and self._reader() is None

    def _show(self) -> None:
        if isinstance(self.source, Guard):  # else other calls have other connections
            others = [scope for scope in _open_scopes.get() if scope.is_open]
            _open_scopes.set((*others, self))


class _ParentLease:
    """A nested transaction's claim on the one around it: on the lock inside."""

    __slots__ = ("_hold", "_parent")

    def __init__(self, parent: Scope, runner: Runner) -> None:
        self._parent = parent
        self._hold = runner.hold(parent.lock)

    async def acquire(self) -> Guard:
        await self._hold.acquire()
        if self._hold.is_nested and self._parent.child is None:
            raise TransactionError(IN_THE_MIDDLE)
        self._parent.check()
        return self._parent.guard

    async def settle(self, *, quiet: bool) -> None:
        """Do nothing: the transaction around goes on."""

    def drop(self) -> None:
        self._hold.release()


def route(source: Source, handle: Scope | None, owner: Callable[[], object]) -> Scope | None:
    """Find the transaction of a source that a call through `handle` (`None`: the database itself) belongs to.

    Raises:
        TransactionError: the caller inherited the transaction of another task or thread.
    """
    for scope in reversed(_open_scopes.get()):
        if scope.source is source and scope.is_open and scope.is_inside(handle):
            if isinstance(scope, ReadingScope):
                if scope.is_left:
                    continue
                raise TransactionError(READING)
            if scope.owner == owner():
                return scope
            raise TransactionError(
                "a transaction is open here that belongs to the task or thread that opened it; hand on its `tx` "
                "(async with db.transaction() as tx) to use it from another one, as gather, TaskGroup, to_thread and "
                "on Python 3.11 wait_for do; for a time limit use asyncio.timeout, which stays in the task"
            )
    return handle
