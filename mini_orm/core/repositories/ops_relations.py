"""The operations over relations, each written once for both faces: nested `create`, loading, links.

Rules of this file, beside those of ops.py:
- Each relation of an `include` is one query for all the objects that have it. Rows are matched to objects by the
  values of both sides' fields, whatever the query: of a composite key it may give more rows than were asked for.
- What is to be inserted was read and checked before (see creation.py); here it only gets the keys of others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from ..._typing import Row
from ...errors import UniqueViolation
from ..conditions import C, WhereExpression, WhereInput
from ..database.executors import Executor
from ..database.transactions import atomic
from ..dialects import Dialect
from ..models import ColumnMeta, ModelMeta, model_meta
from ..query.compiler import Compiler, compiler_for
from ..query.relating import fits_one_list, select_linked
from ..query.tables import table_for
from ..refused import Refused
from . import ops, ops_many
from .creation import Batch, Creation, Draft, Ends, Links, plain
from .related import Include, RelatedResult

#: How often `link` looks again for links that others make at the same time.
_ATTEMPTS = 10
#: Links in one DELETE.
_KEYS_AT_ONCE = 200

# --- creating ---


async def create(executor: Executor, creation: Creation) -> Any:
    """Insert an object and what belongs to it, all or nothing."""

    async def work() -> None:
        for batch in creation.batches:
            await _insert(executor, batch)

    await atomic(executor, work)
    return creation.finish()


async def _insert(executor: Executor, batch: Batch) -> int:
    """Insert a batch, of links only those that are not there; return how many rows that were."""
    for draft in batch.drafts:
        draft.fill()
    drafts = batch.drafts
    if isinstance(batch, Links):
        drafts = await _missing(executor, batch)
        batch.check(draft for draft in drafts if draft.waiting)
    rows = [draft.insertable() for draft in drafts]
    # Only a database that can't return a row asks for its key.
    objects = drafts if batch.compiler.dialect.supports_returning else [draft.stand_in() for draft in drafts]
    if len(rows) == 1:  # the key of one row needs no reserving
        omitted, params = rows[0]
        plan = batch.compiler.insert(omitted)
        filled = [await ops.inserted(executor, batch.compiler, plan, objects[0], params)]
    else:
        filled = await ops_many.insert_rows(executor, batch.compiler, objects, rows)
    for draft, values in zip(drafts, filled, strict=True):
        draft.inserted(values)
    return len(drafts)


async def _missing(executor: Executor, links: Links) -> list[Draft]:
    """Return the links that are not there, each once."""
    columns = (*links.relation.link_local, *links.relation.link_remote)
    drafts: dict[tuple[Any, ...], Draft] = {}
    for draft in links.drafts:
        drafts.setdefault(tuple(plain(draft.values[column.name]) for column in columns), draft)
    # What is new at either end has no links yet.
    asked = [key for key, draft in drafts.items() if not draft.waiting]
    there = await _links_there(executor, links.compiler, columns, asked)
    return [draft for key, draft in drafts.items() if key not in there]


async def _links_there(
    executor: Executor, compiler: Compiler, columns: Sequence[ColumnMeta], keys: Sequence[tuple[Any, ...]]
) -> set[tuple[Any, ...]]:
    """Return those of `keys` that a link has, and maybe others."""
    pick = itemgetter(*map(compiler.meta.columns.index, columns))
    found: set[tuple[Any, ...]] = set()
    for chunk in _chunks(compiler.dialect, columns, keys):
        sql, params = compiler.select(_one_of(columns, chunk), None, None, None)
        for raw in map(pick, await executor.fetch_all(sql, params)):
            found.add(tuple(map(plain, compiler.decoded(columns, raw).values())))
    return found


# --- loading ---


async def get_related(
    executor: Executor, compiler: Compiler, cls: type, pk: Any, includes: Mapping[str, Include]
) -> RelatedResult[Any] | None:
    """Find one row by key, with what it is related to."""
    obj = await ops.get(executor, compiler, cls, pk)
    if obj is None:
        return None
    result = RelatedResult(obj, {})
    await _load(executor, compiler.dialect, [result], includes)
    return result


async def list_related(
    executor: Executor,
    compiler: Compiler,
    cls: type,
    includes: Mapping[str, Include],
    where: Any,
    order_by: Any,
    limit: int | None,
    offset: int | None,
) -> list[RelatedResult[Any]]:
    """Find rows by condition, with what they are related to."""
    objects = await ops.select(executor, compiler, cls, where, order_by, limit, offset)
    results = [RelatedResult(obj, {}) for obj in objects]
    await _load(executor, compiler.dialect, results, includes)
    return results


async def _load(
    executor: Executor, dialect: Dialect, results: list[RelatedResult[Any]], includes: Mapping[str, Include]
) -> None:
    """Load relations into results, then those of the objects that were loaded."""
    levels = [(results, includes)]
    for owners, wanted in levels:  # grows as it goes
        objects = [owner.obj for owner in owners]
        for name, include in wanted.items():
            values, loaded = await _related(executor, dialect, include, objects)
            for owner, value in zip(owners, values, strict=True):
                owner.relations[name] = value
            if include.inner:
                levels.append((loaded, include.inner))


async def _related(
    executor: Executor, dialect: Dialect, include: Include, owners: Sequence[Any]
) -> tuple[list[Any], list[Any]]:
    """Load one relation of objects; return its value for each of them, and all that was loaded."""
    relation = include.relation
    keys = _keys(relation.local, owners)
    asked = list(dict.fromkeys(key for key in keys if key is not None))
    load = _beside if relation.link_ref is None else _behind_links
    found = await load(executor, dialect, include, asked)
    if not relation.is_many:
        first = dict(zip(reversed(found.keys), reversed(found.items), strict=True))
        return [first.get(key) for key in keys], found.loaded
    lists: defaultdict[Any, list[Any]] = defaultdict(list)
    for key, item in zip(found.keys, found.items, strict=True):
        lists[key].append(item)
    if len(asked) == len(keys):
        return [lists[key] for key in keys], found.loaded
    return [list(lists.get(key, ())) for key in keys], found.loaded  # no two owners share a list


class _Found(NamedTuple):
    """What was loaded, and in the order of their keys the items of owners, each with the key of its owner."""

    loaded: list[Any]
    keys: list[Any]
    items: list[Any]


async def _beside(executor: Executor, dialect: Dialect, include: Include, asked: Sequence[Any]) -> _Found:
    """Load the objects that have the keys asked for themselves."""
    target, columns = include.target, include.relation.remote
    compiler = compiler_for(model_meta(target), dialect)
    # An index over the columns has the rows in this order. Without one they would be sorted for nothing.
    indexed = any(index.columns[: len(columns)] == columns for index in compiler.meta.indexes)
    order = list(dict.fromkeys(column.name for column in (*(columns if indexed else ()), *compiler.meta.pk)))
    objects: list[Any] = []
    keys: list[Any] = []
    for chunk in _chunks(dialect, columns, _possible(compiler.meta, dialect, columns, asked)):
        some = await ops.select(executor, compiler, target, _one_of(columns, chunk), order, None, None)
        theirs = _keys(columns, some)
        if len(columns) > 1:
            wanted = set(chunk)
            some = [obj for key, obj in zip(theirs, some, strict=True) if key in wanted]
            theirs = [key for key in theirs if key in wanted]
        objects.extend(some)
        keys.extend(theirs)
    items = include.items(objects)
    return _Found(items, keys, items)


async def _behind_links(executor: Executor, dialect: Dialect, include: Include, asked: Sequence[Any]) -> _Found:
    """Load the objects that links lead to, each once, whoever they are linked with."""
    relation, target = include.relation, include.target
    compiler, link = compiler_for(model_meta(target), dialect), compiler_for(model_meta(relation.link), dialect)
    width = len(compiler.meta.columns)
    pick = itemgetter(*map(compiler.meta.columns.index, compiler.meta.pk))
    rows: dict[Any, Row] = {}
    owners: dict[Row, Any] = {}
    pairs: dict[tuple[Any, Any], None] = {}
    for chunk in _chunks(dialect, relation.link_local, _possible(link.meta, dialect, relation.link_local, asked)):
        wanted = set(chunk)
        for row in await executor.fetch_all(*select_linked(relation, dialect, chunk)):
            end, place = tuple(row[width:]), pick(row)
            if end not in owners:
                key = tuple(map(plain, link.decoded(relation.link_local, end).values()))
                owners[end] = key if len(key) > 1 else key[0]
            if owners[end] in wanted:
                rows.setdefault(place, row[:width])
                pairs.setdefault((owners[end], place))
    items = dict(zip(rows, include.items(compiler.decoder.many(target, list(rows.values()))), strict=True))
    return _Found(list(items.values()), [key for key, _ in pairs], [items[place] for _, place in pairs])


def _keys(columns: Sequence[ColumnMeta], objects: Sequence[Any]) -> list[Any]:
    """Return what objects have in some columns; of several a tuple, or `None` where one of them is."""
    keys = list(map(attrgetter(*(column.name for column in columns)), objects))
    if len(columns) > 1:
        return [None if None in key else tuple(map(plain, key)) for key in keys]
    return keys if columns[0].type.enum is None else list(map(plain, keys))


def _possible(meta: ModelMeta, dialect: Dialect, columns: Sequence[ColumnMeta], keys: Sequence[Any]) -> Sequence[Any]:
    """Leave out the keys that no row of a model can have in some columns: values that are none of an Enum's members."""
    if all(column.type.enum is None for column in columns):
        return keys
    codecs = [table_for(meta, dialect).columns[column.name].codec for column in columns]

    def is_possible(key: Any) -> bool:
        parts = key if len(columns) > 1 else (key,)
        try:
            for column, codec, part in zip(columns, codecs, parts, strict=True):
                if column.type.enum is not None:
                    codec.coerce(part)
        except Refused:
            return False
        return True

    return list(filter(is_possible, keys))


def _one_of(columns: Sequence[ColumnMeta], keys: Sequence[Any]) -> WhereInput:
    """Ask for keys. Each part of a composite one may be any of those asked for: that is one list a part."""
    if len(columns) == 1:
        return C.in_(columns[0].name, keys)
    parts = zip(*keys, strict=True)
    return [C.in_(column.name, dict.fromkeys(part)) for column, part in zip(columns, parts, strict=True)]


def _chunks(dialect: Dialect, columns: Sequence[ColumnMeta], keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Split keys into what one statement can take: all of them, unless each value is bound by itself."""
    size = len(keys) if fits_one_list(dialect, columns) else dialect.max_params // len(columns)
    for start in range(0, len(keys), max(1, size)):
        yield keys[start : start + size]


# --- links ---


async def link(executor: Executor, links: Links) -> int:
    """Insert the links that are not there; return how many that were."""
    if not links.drafts:
        return 0
    names = [column.name for column in (*links.relation.link_local, *links.relation.link_remote)]
    attempts = 0
    while True:
        try:
            return await atomic(executor, lambda: _insert(executor, links))
        except UniqueViolation as exc:  # another linked some of them since they were looked for
            attempts += 1
            if attempts == _ATTEMPTS or not links.compiler.is_about(exc, names):
                raise


async def unlink(executor: Executor, ends: Ends) -> int:
    """Delete links; return how many there were."""
    if not ends.others:
        return 0
    relation, dialect = ends.relation, ends.owner.table.dialect
    compiler = compiler_for(model_meta(relation.link), dialect)
    owner = _exactly(relation.link_local, [ends.key(ends.owner, relation.local)])
    keys = list(dict.fromkeys(ends.key(other, relation.remote) for other in ends.others))
    room = (dialect.max_params - len(relation.local)) // len(relation.remote)
    size = max(1, min(_KEYS_AT_ONCE, room))

    async def work() -> int:
        affected = 0
        for start in range(0, len(keys), size):
            others = _exactly(relation.link_remote, keys[start : start + size])
            affected += await ops.delete_where(executor, compiler, [owner, others], False)
        return affected

    return await (work() if len(keys) <= size else atomic(executor, work))


def _exactly(columns: Sequence[ColumnMeta], keys: Sequence[tuple[Any, ...]]) -> WhereExpression:
    """Ask for whole keys and no others."""
    if len(columns) == 1:
        return C.in_(columns[0].name, [key[0] for key in keys])
    names = [column.name for column in columns]
    return C.or_([C.and_([C.eq(*part) for part in zip(names, key, strict=True)]) for key in keys])
