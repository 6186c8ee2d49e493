"""Filters of vector stores: mappings, conditions, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mini_orm import C, F, QueryError, UnsafeOperationError, UnsupportedFilterError
from tests.backends import maybe_await, needs
from tests.vector_truth import mapping_matches, truth

if TYPE_CHECKING:
    from tests.vector_backends import VectorCase as Case
else:
    Case = object

#: A value of each kind, those that look alike next to each other; missing and None, too.
SCALARS: list[Any] = [
    *(None, True, False, 0, 1, 2, -1, 1.0, 1.5, 0.0, 2.5, 10**12, "", "1", "1.0", "True", "a", "A", "ab", "b", "é"),
    *("null", "none", "%", "a_b", "a'b", 'a"b', "a\\b", "日本"),
]
NESTED: list[Any] = [[], [1], [1.0], [True], ["a"], [1, 2], [[1]], {}, {"a": 1}, {"a": 1.0}, {"a": True}]
PAYLOADS: list[dict[str, Any] | None] = [None, {"other": 1}, *({"k": value} for value in SCALARS)]
NESTED_PAYLOADS: list[dict[str, Any] | None] = [*({"k": value} for value in [*NESTED, 1, "a", True, None])]


class VectorMappingContract(Case):
    """The mapping form, which every store with filters takes."""

    requires = ("supports_filters",)

    async def test_all_have_to_be_equal(self) -> None:
        """E4: several keys are joined by AND; none at all is no filter."""
        repo = await self.filled([{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 1}, None])
        for filters, wanted in (
            ({"a": 1}, [0, 1, 3]),
            ({"a": 1, "b": "x"}, [0]),
            ({"a": 3}, []),
            ({"c": 1}, []),
            ({}, [0, 1, 2, 3, 4]),
            (None, [0, 1, 2, 3, 4]),
        ):
            with self.subTest(filters=filters):
                self.assertEqual(self.numbers(await maybe_await(repo.query([1, 0], filters=filters))), wanted)
                many = await maybe_await(repo.query_many([[1, 0], [0, 1]], filters=filters))
                self.assertEqual(self.numbers(many[0]), wanted)
                self.assertEqual(sorted(self.numbers(many[1])), wanted)

    async def test_equality(self) -> None:
        """E4: bool is not int, 1 is 1.0, text is no number; None also matches a missing key, nothing else does."""
        repo = await self.filled(PAYLOADS)
        for value in [*SCALARS, 3, "c"]:
            with self.subTest(value=value):
                found = await maybe_await(repo.query([1, 0], top_k=100, filters={"k": value}))
                wanted = [n for n, payload in enumerate(PAYLOADS) if mapping_matches({"k": value}, payload)]
                self.assertEqual(self.numbers(found), wanted)

    @needs("keeps_nested_payload", "checks_payloads")
    async def test_equality_of_lists(self) -> None:
        """E4: lists and dicts are equal as wholes; a list is not its element."""
        repo = await self.filled(NESTED_PAYLOADS)
        for value in [*NESTED, 1, "a", True, None]:
            with self.subTest(value=value):
                found = await maybe_await(repo.query([1, 0], top_k=100, filters={"k": value}))
                wanted = [n for n, payload in enumerate(NESTED_PAYLOADS) if mapping_matches({"k": value}, payload)]
                self.assertEqual(self.numbers(found), wanted)

    async def test_a_filter_never_shrinks_the_answer(self) -> None:
        """E4: matches that are far away come back where nearer records don't match."""
        repo = await self.filled([{"far": n >= 190} for n in range(200)])
        found = await maybe_await(repo.query([1, 0], top_k=5, filters={"far": True}))
        self.assertEqual(self.numbers(found), [190, 191, 192, 193, 194])

    async def test_keys_are_data(self) -> None:
        """E4: whatever the key is, it is a name and neither a path nor SQL."""
        keys = ["a.b", "a", "a b", "a'b", 'a"b', "a') OR ('1'='1", "$eq", "%s", "a[0]", "ü", "payload", "id"]
        repo = await self.filled(
            [*({key: "x"} for key in keys), {"a": {"b": "x"}} if self.backend.keeps_nested_payload else None]
        )
        for number, key in enumerate(keys):
            with self.subTest(key=key):
                self.assertEqual(self.numbers(await maybe_await(repo.query([1, 0], filters={key: "x"}))), [number])
                self.assertEqual(await maybe_await(repo.query([1, 0], filters={key: "x' OR '1'='1"})), [])

    async def test_after_changes(self) -> None:
        """E3 E4: filters see payloads as they are now: replaced, deleted and written since the last one."""
        repo = await self.filled([{"k": n % 3} for n in range(9)])

        async def found(value: Any) -> list[int]:
            return self.numbers(await maybe_await(repo.query([1, 0], top_k=100, filters={"k": value})))

        self.assertEqual(await found(0), [0, 3, 6])
        await maybe_await(repo.upsert([self.record(3, [1, 0.5], {"k": 1}), self.record(20, [1, 0.9], {"k": 0})]))
        self.assertEqual(sorted(await found(0)), [0, 6, 20])
        self.assertEqual(sorted(await found(1)), [1, 3, 4, 7])
        await maybe_await(repo.delete([self.backend.id(n) for n in (0, 4)]))
        self.assertEqual(sorted(await found(0)), [6, 20])
        await maybe_await(repo.upsert([self.record(6, [1, 0.5])]))
        self.assertEqual(await found(0), [20])
        self.assertEqual(await found(None), [6])

    @needs("checks_payloads")
    async def test_values_that_can_not_be(self) -> None:
        """E4: a value that JSON does not have, a key that is no text, no mapping at all: refused, naming the key."""
        repo = await self.filled([{"k": 1}])
        for value in (object(), float("nan"), {1}, b"x"):
            error = await self.refused(QueryError, repo.query, [1, 0], filters={"k": value})
            self.assertIsInstance(error, TypeError)
            self.assertIn("'k'", str(error))
        for filters in ({1: 1}, "k", "", 7):
            self.assertIsInstance(await self.refused(QueryError, repo.query, [1, 0], filters=filters), TypeError)


def _conditions() -> list[Any]:
    """Return each kind of condition, and groups of them."""
    equalities = [None, 1, 1.5, True, "1", "a", ""]
    found: list[Any] = [
        *(make("k", one) for make in (C.eq, C.ne, C.same_as, C.distinct_from) for one in equalities),
        *(make("k", one) for make in (C.lt, C.le, C.gt, C.ge) for one in [0, 1, 1.5, -5]),
        *(C.between("k", *pair) for pair in ((0, 1), (1, 1.5), (2, 1))),
        *(make("k", some) for make in (C.in_, C.not_in) for some in ([], [1], [1, "a", True], [None], [None, 1])),
        C.is_null("k"),
        C.is_not_null("k"),
    ]
    found += [~one for one in found]
    a, b, c = C.ge("k", 1), C.ne("k", "a"), C.is_null("other")
    return [*found, a & b, a | b, ~(a & b), ~(a | ~b), (a | c) & ~(b & c), C.and_(a, b, C.or_(c, a)), ~(~(a | b) | c)]


class VectorConditionContract(Case):
    """Conditions of `C` as filters."""

    requires = ("supports_filters", "supports_conditions")

    async def check(self, repo: Any, payloads: list[Any], conditions: list[Any]) -> None:
        """See that a store finds, and counts, what SQL's three values say."""
        for condition in conditions:
            with self.subTest(condition=condition):
                wanted = [n for n, payload in enumerate(payloads) if truth(condition, payload) is True]
                found = await maybe_await(repo.query([1, 0], top_k=100, filters=condition))
                self.assertEqual(self.numbers(found), wanted)
                self.assertEqual(await maybe_await(repo.count(condition)), len(wanted))

    async def test_truth_table(self) -> None:
        """E4: every condition, its opposite, and groups, over a value of every kind."""
        await self.check(await self.filled(PAYLOADS), PAYLOADS, _conditions())

    @needs("supports_text_order")
    async def test_order_of_texts(self) -> None:
        """E4: is that of code points, and unknown for what is no text."""
        conditions: list[Any] = [
            *(make("k", one) for make in (C.lt, C.le, C.gt, C.ge) for one in ["", "1", "a", "ab", "é"]),
            *(C.between("k", *pair) for pair in (("", "b"), ("a", "a"))),
        ]
        await self.check(await self.filled(PAYLOADS), PAYLOADS, [*conditions, *(~one for one in conditions)])

    @needs("supports_text_conditions")
    async def test_texts(self) -> None:
        """E4: contains, startswith and endswith take plain text, mind case, and are unknown for what is no text."""
        conditions = [
            make("k", text)
            for make in (C.contains, C.startswith, C.endswith)
            for text in SCALARS
            if isinstance(text, str)
        ]
        await self.check(await self.filled(PAYLOADS), PAYLOADS, [*conditions, *(~one for one in conditions)])

    @needs("keeps_nested_payload")
    async def test_lists_and_dicts(self) -> None:
        """E4: are equal or not, have no order, and are no text."""
        conditions: list[Any] = [make("k", one) for make in (C.eq, C.ne) for one in NESTED]
        conditions += [C.in_("k", [[1], "a"]), C.not_in("k", [[1], "a"]), C.gt("k", 0), ~C.gt("k", 0)]
        if self.backend.supports_text_order:
            conditions += [C.lt("k", "b"), ~C.lt("k", "b")]
        await self.check(await self.filled(NESTED_PAYLOADS), NESTED_PAYLOADS, conditions)

    async def test_a_list_of_conditions(self) -> None:
        """E4: is joined by AND, as `where` is; an empty one is no filter."""
        repo = await self.filled(
            [{"lang": "en", "year": 2019}, {"lang": "en", "year": 2021}, {"lang": "de", "year": 2021}]
        )
        filters = [C.eq("lang", "en"), C.ge("year", 2020)]
        self.assertEqual(self.numbers(await maybe_await(repo.query([1, 0], filters=filters))), [1])
        self.assertEqual(await maybe_await(repo.count([])), 3)

    async def test_long_lists(self) -> None:
        """E4 Q6 Q9: lists and groups may be long."""
        repo = await self.filled([{"k": n} for n in range(20)])
        self.assertEqual(await maybe_await(repo.count(C.in_("k", range(5, 3000)))), 15)
        self.assertEqual(await maybe_await(repo.count(C.or_([C.eq("k", n) for n in range(10, 800)]))), 10)

    async def test_count_and_delete_where(self) -> None:
        """E4: by mapping and by condition; what does not match stays."""
        repo = await self.filled([{"k": n, "even": n % 2 == 0} for n in range(10)])
        self.assertEqual(await maybe_await(repo.count({"even": True})), 5)
        self.assertEqual(await maybe_await(repo.delete_where({"even": True})), 5)
        self.assertEqual(await maybe_await(repo.delete_where(C.gt("k", 6))), 2)
        self.assertEqual(await maybe_await(repo.delete_where(C.gt("k", 6))), 0)
        self.assertEqual(self.numbers(await maybe_await(repo.fetch())), [1, 3, 5])
        self.assertEqual(await maybe_await(repo.count()), 3)

    async def test_delete_where_needs_a_filter(self) -> None:
        """E4 Q14: else it is an UnsafeOperationError, and nothing is deleted."""
        repo = await self.filled([None])
        for filters in (None, {}, []):
            await self.refused(UnsafeOperationError, repo.delete_where, filters)
        self.assertEqual(await maybe_await(repo.count()), 1)

    async def test_what_has_no_order(self) -> None:
        """E4 Q1: bools, lists, None and mixed bounds can't be compared."""
        repo = await self.filled([None])
        for make in (C.lt, C.le, C.gt, C.ge):
            for value in (None, True, [1], {"a": 1}, object()):
                with self.subTest(make=make.__name__, value=value):
                    await self.refused(QueryError, repo.query, [1, 0], filters=make("k", value))
        await self.refused(QueryError, repo.count, C.between("k", 1, "b"))
        await self.refused(QueryError, repo.count, C.contains("k", 7))  # type: ignore[arg-type]  # the mistake under test

    async def test_what_no_store_can_say(self) -> None:
        """E4: LIKE, F and relations are refused with the store's name; so is what is nested too deeply."""
        repo = await self.filled([{"k": 1}])
        for condition in (
            C.like("k", "a%"),
            C.ilike("k", "a%"),
            C.eq("k", F("other")),
            C.gt("k", F("other") + 1),
            C.any_("k"),
            C.none("k", C.eq("a", 1)),
        ):
            with self.subTest(condition=condition):
                for call, arguments in ((repo.query, ([1, 0],)), (repo.count, ())):
                    error = await self.refused(UnsupportedFilterError, call, *arguments, filters=condition)
                    self.assertIn(type(self.store).__name__, str(error))
        deep: Any = C.eq("k", 1)
        for _ in range(5000):
            deep = ~deep
        await self.refused(QueryError, repo.query, [1, 0], filters=deep)
        await self.refused(QueryError, repo.query, [1, 0], filters=[C.eq("k", 1), "k"])


class VectorNoConditionContract(Case):
    """What a store with fewer abilities refuses, and never filters after the fact."""

    async def test_refused_with_its_name(self) -> None:
        """E4 E8: conditions, counting and deleting by a filter, where the store has no such thing."""
        repo = await self.filled([{"k": 1}])
        for call, arguments in (
            (repo.query, {"vector": [1, 0], "filters": C.eq("k", 1)}),
            (repo.query_many, {"vectors": [[1, 0]], "filters": C.eq("k", 1)}),
            (repo.count, {"filters": {"k": 1}}),
            (repo.delete_where, {"filters": {"k": 1}}),
        ):
            with self.subTest(call=call.__name__):
                error = await self.refused(UnsupportedFilterError, call, **arguments)
                self.assertIsInstance(error, NotImplementedError)
                self.assertIn(type(self.store).__name__, str(error))
        self.assertEqual(await maybe_await(repo.count()), 1)
