"""Relations: the contracts on every backend; and how relations are read, which no database has a part in."""

from __future__ import annotations

import dataclasses
import gc
import itertools
import sys
import textwrap
import types
import unittest
import warnings
import weakref
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mini_orm import ModelError, RelationError, RelationSpec, RelationType, model_relations
from mini_orm.core.models import model_meta
from mini_orm.core.relations import relation_of
from mini_orm.core.relations.reader import plural
from tests.backends import bind_all
from tests.contracts import relations as models
from tests.contracts.crud import auto_key, pk
from tests.contracts.relations import CascadesContract, KnownContract, refers
from tests.contracts.relations_create import (
    CreateContract,
    CreateErrorsContract,
    CreateKeysContract,
    CreateTransactionsContract,
)
from tests.contracts.relations_links import LinksContract
from tests.contracts.relations_load import (
    LoadContract,
    ManyObjectsContract,
    QueriesOfLoadingContract,
    SchemasOfRelationsContract,
)

bind_all(
    globals(),
    KnownContract,
    CascadesContract,
    LoadContract,
    QueriesOfLoadingContract,
    ManyObjectsContract,
    SchemasOfRelationsContract,
    CreateContract,
    CreateKeysContract,
    CreateTransactionsContract,
    CreateErrorsContract,
    LinksContract,
)

BELONGS_TO, HAS_MANY = RelationType.BELONGS_TO, RelationType.HAS_MANY
HAS_ONE, MANY_TO_MANY = RelationType.HAS_ONE, RelationType.MANY_TO_MANY


class Modules(unittest.TestCase):
    """Ways to make modules; a part of the tests."""

    numbers = itertools.count()

    def module(self, source: str) -> Any:
        """Make a module, and put it where modules are."""
        module = types.ModuleType(f"{__name__}_{next(self.numbers)}")
        sys.modules[module.__name__] = module
        self.addCleanup(sys.modules.pop, module.__name__)
        self.run_in(module, source)
        return module

    def run_in(self, module: Any, source: str) -> None:
        """Run more lines in a module, as a notebook or a reload does."""
        imports = "from dataclasses import dataclass, field\nfrom tests.contracts.relations import *\n"
        exec(imports + textwrap.dedent(source), vars(module))


class Inferred(Modules):
    """What foreign keys make."""

    def test_both_sides(self) -> None:
        """L1: a foreign key with a model makes `belongs_to` on its side and `has_many` on the other."""
        self.assertEqual(
            model_relations(models.Post),
            {
                "author": RelationSpec("author", models.Author, "author_id", "id", BELONGS_TO),
                "comments": RelationSpec("comments", models.Comment, "id", "post_id", HAS_MANY, many=True),
                "posttags": RelationSpec("posttags", models.PostTag, "id", "post_id", HAS_MANY, many=True),
                "tags": RelationSpec("tags", models.Tag, "post_id", "tag_id", MANY_TO_MANY, True, models.PostTag),
            },
        )
        self.assertEqual(
            model_relations(models.Author)["posts"],
            RelationSpec("posts", models.Post, "id", "author_id", HAS_MANY, many=True),
        )

    def test_every_spelling_with_a_model(self) -> None:
        """L1: as a tuple or a mapping; a foreign key that names a table makes schema only."""
        module = self.module("""
            @dataclass
            class Parent:
                id: int | None = auto_key()
            @dataclass
            class Mapped:
                parent_id: int | None = field(default=None, metadata={"fk": {"model": Parent, "column": "id"}})
                id: int | None = auto_key()
            @dataclass
            class Named:
                parent_id: int | None = field(default=None, metadata={"fk": "parent.id"})
                other_id: int | None = field(default=None, metadata={"fk": ("parent", "id")})
                third_id: int | None = field(default=None, metadata={"fk": {"table": "parent", "column": "id"}})
                id: int | None = auto_key()
        """)
        self.assertEqual(list(model_relations(module.Parent)), ["mappeds"])
        self.assertEqual(list(model_relations(module.Mapped)), ["parent"])
        self.assertEqual(model_relations(module.Named), {})

    def test_names_of_the_childs_side(self) -> None:
        """L1: the field's name without `_id`, else the target's name; or what `relation` says."""
        module = self.module("""
            @dataclass
            class Parent:
                id: int | None = auto_key()
            @dataclass
            class Child:
                owner_id: int | None = refers(Parent, related_name="a")
                writer: int | None = refers(Parent, related_name="b")
                _id: int | None = refers(Parent, related_name="c", relation="third")
                x_id: int | None = refers(Parent, related_name="d", relation="fourth")
                id: int | None = auto_key()
        """)
        found = model_relations(module.Child)
        self.assertEqual(
            {name: spec.local_key for name, spec in found.items()},
            {"owner": "owner_id", "parent": "writer", "third": "_id", "fourth": "x_id"},
        )
        self.assertEqual(sorted(model_relations(module.Parent)), ["a", "b", "c", "d"])

    def test_names_of_the_parents_side(self) -> None:
        """L1: the plural of the child's name in lower case."""
        for name, expected in {
            "post": "posts",
            "category": "categories",
            "day": "days",
            "y": "ys",
            "bus": "buses",
            "box": "boxes",
            "quiz": "quizes",
            "match": "matches",
            "dish": "dishes",
            "moth": "moths",
            "orderitem": "orderitems",
        }.items():
            self.assertEqual(plural(name), expected)
        module = self.module("""
            @dataclass
            class Shop:
                id: int | None = auto_key()
            @dataclass
            class StockEntry:
                shop_id: int | None = refers(Shop)
                id: int | None = auto_key()
        """)
        self.assertEqual(list(model_relations(module.Shop)), ["stockentries"])

    def test_two_foreign_keys_to_one_model(self) -> None:
        """L1: they need names; without them the side where they clash says which two they are."""
        self.assertEqual(list(model_relations(models.Match)), ["home_team", "guest"])
        self.assertEqual(list(model_relations(models.Team)), ["home_matches", "away_matches"])
        module = self.module("""
            @dataclass
            class City:
                id: int | None = auto_key()
            @dataclass
            class Trip:
                start_id: int | None = refers(City)
                end_id: int | None = refers(City)
                id: int | None = auto_key()
            @dataclass
            class Letter:
                city: int | None = refers(City, related_name="received")
                city_id: int | None = refers(City, related_name="sent")
                id: int | None = auto_key()
        """)
        self.assertEqual(list(model_relations(module.Trip)), ["start", "end"])
        text = "^City: Trip.start_id and Trip.end_id both make a relation 'trips'; name them by .*'related_name'"
        with self.assertRaisesRegex(RelationError, text) as caught:
            model_relations(module.City)
        self.assertIsInstance(caught.exception, ValueError)
        with self.assertRaisesRegex(RelationError, "Letter.city and Letter.city_id both make a relation 'city'"):
            model_relations(module.Letter)

    def test_a_clash_of_two_children(self) -> None:
        """L1: two children of one name, from two modules, clash, too; a name for one of them helps."""
        parent = self.module("""
            @dataclass
            class Parent:
                id: int | None = auto_key()
        """)
        for name in ("", ', related_name="others"'):
            child = self.module(f"""
                from {parent.__name__} import Parent
                @dataclass
                class Child:
                    parent_id: int | None = refers(Parent{name})
                    id: int | None = auto_key()
            """)
            model_meta(child.Child)
        self.assertEqual(sorted(model_relations(parent.Parent)), ["childs", "others"])
        third = self.module(f"""
            from {parent.__name__} import Parent
            @dataclass
            class Child:
                parent_id: int | None = refers(Parent)
                id: int | None = auto_key()
        """)
        model_meta(third.Child)
        with self.assertRaisesRegex(RelationError, "both make a relation 'childs'"):
            model_relations(parent.Parent)

    def test_one_to_one(self) -> None:
        """L1: `one_to_one` makes `has_one`, by the child's name; it needs a unique index, or the key itself."""
        self.assertEqual(
            model_relations(models.Author)["profile"],
            RelationSpec("profile", models.Profile, "id", "author_id", HAS_ONE),
        )
        module = self.module("""
            @dataclass
            class Parent:
                id: int | None = auto_key()
            @dataclass
            class Half:
                parent_id: int = pk(fk=(Parent, "id"), one_to_one=True, related_name="other_half")
            @dataclass
            class Bad:
                parent_id: int | None = refers(Parent, one_to_one=True, index=True)
                id: int | None = auto_key()
        """)
        self.assertEqual(model_relations(module.Parent)["other_half"].relation_type, HAS_ONE)
        with self.assertRaisesRegex(ModelError, "Bad.parent_id: one_to_one needs unique_index"):
            model_relations(module.Bad)

    def test_many_to_many(self) -> None:
        """L1: a model with two foreign keys, which are its whole key, links the two."""
        self.assertEqual(
            model_relations(models.Tag)["posts"],
            RelationSpec("posts", models.Post, "tag_id", "post_id", MANY_TO_MANY, True, models.PostTag),
        )
        module = self.module("""
            @dataclass
            class A:
                id: int | None = auto_key()
            @dataclass
            class B:
                id: int | None = auto_key()
            @dataclass
            class OwnKey:
                a_id: int | None = refers(A)
                b_id: int | None = refers(B)
                id: int | None = auto_key()
            @dataclass
            class LongerKey:
                a_id: int = pk(fk=(A, "id"))
                b_id: int = pk(fk=(B, "id"))
                day: int = pk()
            @dataclass
            class ThreeWays:
                a_id: int = pk(fk=(A, "id"))
                b_id: int = pk(fk=(B, "id"))
                c_id: int | None = refers(A, related_name="c")
            @dataclass
            class Same:
                left_id: int = pk(fk=(A, "id"), related_name="left")
                right_id: int = pk(fk=(A, "id"), related_name="right")
        """)
        found = model_relations(module.A)
        self.assertEqual([name for name, spec in found.items() if spec.through is not None], [])
        self.assertEqual(list(model_relations(module.B)), ["ownkeys", "longerkeys", "threewayses"])

    def test_two_links_between_the_same_models(self) -> None:
        """L1: then neither is meant more than the other; what foreign keys make by that name comes first."""
        source = """
            @dataclass
            class Pupil:
                id: int | None = auto_key()
            @dataclass
            class Course:
                id: int | None = auto_key()
            @dataclass
            class Attends:
                pupil_id: int = pk(fk=(Pupil, "id"))
                course_id: int = pk(fk=(Course, "id"))
            @dataclass
            class Passed:
                pupil_id: int = pk(fk=(Pupil, "id"))
                course_id: int = pk(fk=(Course, "id"))
        """
        module = self.module(source)
        text = "Attends and Passed both make a relation 'courses'; declare them in __relations__"
        with self.assertRaisesRegex(RelationError, text):
            model_relations(module.Pupil)
        module.Pupil.__relations__ = {
            "courses": {"model": "Course", "through": "Attends"},
            "passed": {"model": "Course", "through": "Passed"},
        }
        found = model_relations(module.Pupil)
        self.assertEqual([name for name, spec in found.items() if spec.through is not None], ["courses", "passed"])
        taken = self.module("""
            @dataclass
            class Pupil:
                id: int | None = auto_key()
            @dataclass
            class Course:
                pupil_id: int | None = refers(Pupil)
                id: int | None = auto_key()
            @dataclass
            class Attends:
                pupil_id: int = pk(fk=(Pupil, "id"))
                course_id: int = pk(fk=(Course, "id"))
        """)
        self.assertEqual(model_relations(taken.Pupil)["courses"].relation_type, HAS_MANY)

    def test_a_child_that_comes_later(self) -> None:
        """L1: in the parent's module it is found whenever it is there, also by its name alone."""
        module = self.module("""
            @dataclass
            class Parent:
                id: int | None = auto_key()
        """)
        self.assertEqual(model_relations(module.Parent), {})
        child = """
            @dataclass
            class Child:
                parent_id: int | None = refers(Parent)
                id: int | None = auto_key()
        """
        self.run_in(module, child)
        self.assertIs(relation_of(module.Parent, "childs").target, module.Child)
        self.run_in(module, child.replace("Child", "Second"))
        self.assertEqual(list(model_relations(module.Parent)), ["childs", "seconds"])

    def test_a_target_that_refers_back(self) -> None:
        """L1: what nobody has seen but a relation's own target is found at once, and not the second time."""
        owner = self.module("""
            @dataclass
            class Owner:
                id: int | None = auto_key()
        """)
        target = self.module(f"""
            from {owner.__name__} import Owner
            @dataclass
            class Target:
                owner_id: int | None = refers(Owner, related_name="own")
                id: int | None = auto_key()
        """)
        link = self.module(f"""
            from {owner.__name__} import Owner
            from {target.__name__} import Target
            @dataclass
            class Link:
                owner_id: int = pk(fk=(Owner, "id"))
                target_id: int = pk(fk=(Target, "id"))
        """)
        model_meta(link.Link)
        self.assertEqual(list(model_relations(owner.Owner)), ["links", "own", "targets"])

    def test_what_is_in_the_module_and_no_model(self) -> None:
        """L1: a dataclass with a mistake, or an imported one, stands in nobody's way."""
        module = self.module("""
            @dataclass
            class Parent:
                id: int | None = auto_key()
            @dataclass
            class NoKey:
                parent_id: int | None = refers(Parent)
            @dataclass
            class Child:
                parent_id: int | None = refers(Parent)
                id: int | None = auto_key()
            one, text, Alias = Child(), "Child", Child
        """)
        self.assertEqual(list(model_relations(module.Parent)), ["childs"])
        with self.assertRaises(ModelError):
            model_relations(module.NoKey)

    def test_subclasses(self) -> None:
        """L1 M6: they are models of their own, with the foreign keys that they inherit, not with `__relations__`."""
        module = self.module("""
            @dataclass
            class Parent:
                id: int | None = auto_key()
                __relations__ = {"mine": {"model": "Child", "local_key": "id", "remote_key": "id"}}
            @dataclass
            class Sub(Parent):
                pass
            @dataclass
            class Child:
                parent_id: int | None = refers(Parent)
                id: int | None = auto_key()
            @dataclass
            class SubChild(Child):
                pass
        """)
        self.assertEqual(list(model_relations(module.Parent)), ["mine", "childs", "subchilds"])
        self.assertEqual(model_relations(module.Sub), {})
        self.assertIs(model_relations(module.SubChild)["parent"].model, module.Parent)

    def test_a_foreign_key_to_what_is_not_there(self) -> None:
        """L1: a field that the target does not have is named, with the nearest one, on both sides."""
        module = self.module("""
            @dataclass
            class Parent:
                number: int = pk()
            @dataclass
            class Child:
                parent_id: int | None = refers(Parent, "nummer")
                id: int | None = auto_key()
        """)
        for cls in (module.Child, module.Parent):
            with self.assertRaisesRegex(RelationError, "Child.parent_id: Parent has no field 'nummer'.*'number'"):
                model_relations(cls)

    def test_what_is_no_model(self) -> None:
        """L1 M12: a `ModelError`, as everywhere."""
        for wrong in (int, "Post", None, models.Post("a")):
            with self.assertRaises(ModelError):
                model_relations(wrong)  # type: ignore[arg-type]  # the mistake under test

    def test_names_are_text(self) -> None:
        """L3: what is no text, or empty, names no relation."""
        for wrong in ("", None, 3, b"posts", ["posts"]):
            with self.assertRaisesRegex(TypeError, "text that is not empty"):
                relation_of(models.Author, wrong)
        with self.assertRaisesRegex(RelationError, "it has none"):
            relation_of(models.Alone, "x")

    def test_names_in_metadata(self) -> None:
        """L1: `relation` and `related_name` are text without a dot."""
        for key in ("relation", "related_name"):
            for wrong in ("", "a.b", 3):

                @dataclass
                class Child:
                    post_id: int | None = field(default=None, metadata={"fk": (models.Post, "id"), key: wrong})
                    id: int | None = auto_key()

                with self.subTest(key=key, wrong=wrong), self.assertRaisesRegex(ModelError, key):
                    model_relations(Child)


class Declared(Modules):
    """What `__relations__` says."""

    def test_self_reference(self) -> None:
        """L1: a model refers to itself by its name."""
        self.assertEqual(
            model_relations(models.Node),
            {
                "parent": RelationSpec("parent", models.Node, "parent_id", "id"),
                "children": RelationSpec("children", models.Node, "id", "parent_id", many=True),
            },
        )

    def test_self_reference_of_a_local_class(self) -> None:
        """L1: the own name is the class itself, whatever else has that name."""

        @dataclass
        class Classes:  # there is another one in this module
            parent_id: int | None = None
            id: int | None = auto_key()
            __relations__: ClassVar[Any] = {"up": {"model": "Classes", "local_key": "parent_id", "remote_key": "id"}}

        self.assertIs(model_relations(Classes)["up"].model, Classes)
        Classes.__relations__ = {"up": RelationSpec("up", Classes, "parent_id", "id")}
        self.assertIs(model_relations(Classes)["up"].model, Classes)

    def test_models_by_name(self) -> None:
        """L1: a model's name is looked up in the module, then among the models that were read, those beside first."""

        def local(name: str, **relations: Any) -> Any:
            fields = [("other_id", int, 0), ("id", int, auto_key())]
            made = dataclasses.make_dataclass(name, fields, namespace={"__relations__": relations})
            made.__module__ = __name__
            made.__qualname__ = f"Declared.here.<locals>.{name}"
            return made

        keys = {"local_key": "other_id", "remote_key": "id"}
        target = local("OnlyHere")
        owner = local("Owner", only={"model": "OnlyHere", **keys}, post={"model": f"{models.__name__}.Post", **keys})
        with self.assertRaisesRegex(RelationError, "Owner: only: its model is a class, or the name of one"):
            model_relations(owner)
        model_meta(target)
        self.assertIs(model_relations(owner)["only"].model, target)
        self.assertIs(model_relations(owner)["post"].model, models.Post)
        elsewhere = local("OnlyHere")
        elsewhere.__qualname__ = "Declared.elsewhere.<locals>.OnlyHere"
        model_meta(elsewhere)
        self.assertIs(model_relations(owner)["only"].model, target)

    def test_every_way_to_name_a_model(self) -> None:
        """L1: a class, its name, a weak reference, a `RelationSpec`; `foreign_key` is `local_key`."""
        keys = {"local_key": "author_id", "remote_key": "id"}
        for given in (
            {"model": models.Author, **keys},
            {"model": weakref.ref(models.Author), **keys, "type": None},
            {"model": f"{models.__name__}.Author", "foreign_key": "author_id", "remote_key": ("id",)},
            {"model": models.Author, "local_key": ["author_id"], "remote_key": "id", "type": "belongs_to"},
            RelationSpec("writer", models.Author, "author_id", "id"),
            RelationSpec("writer", models.Author, ("author_id",), "id", BELONGS_TO),
        ):

            @dataclass
            class Text:
                author_id: int | None = None
                id: int | None = auto_key()
                __relations__: ClassVar[Any] = types.MappingProxyType({"writer": given})

            with self.subTest(given=given):
                expected = RelationSpec("writer", models.Author, "author_id", "id", BELONGS_TO)
                self.assertEqual(model_relations(Text), {"writer": expected})

    def test_declared_wins(self) -> None:
        """L1: over an inferred relation of its name, and over an equivalent one of another name."""
        module = self.module("""
            @dataclass
            class Parent:
                id: int | None = auto_key()
                __relations__ = {
                    "kids": {"model": "Child", "local_key": "id", "remote_key": "parent_id", "type": "has_many"},
                    "pets": {"model": "Child", "local_key": "id", "remote_key": "id", "type": "has_many"},
                    "desk": {"model": "Desk", "local_key": "id", "remote_key": "parent_id", "type": "has_one"},
                    "labels": {"model": "Label", "through": "ParentLabel"},
                }
            @dataclass
            class Child:
                parent_id: int | None = refers(Parent)
                id: int | None = auto_key()
                __relations__ = {"mother": {"model": Parent, "foreign_key": "parent_id", "remote_key": "id"}}
            @dataclass
            class Pet:
                parent_id: int | None = refers(Parent)
                id: int | None = auto_key()
            @dataclass
            class Desk:
                parent_id: int | None = refers(Parent)
                id: int | None = auto_key()
            @dataclass
            class Label:
                id: int | None = auto_key()
            @dataclass
            class ParentLabel:
                parent_id: int = pk(fk=(Parent, "id"))
                label_id: int = pk(fk=(Label, "id"))
        """)
        self.assertEqual(list(model_relations(module.Parent)), ["kids", "pets", "desk", "labels", "parentlabels"])
        self.assertIs(model_relations(module.Parent)["pets"].model, module.Child)
        self.assertEqual(list(model_relations(module.Child)), ["mother"])

    def test_composite_keys(self) -> None:
        """L1: keys of several fields are tuples of their names, in pairs."""
        self.assertEqual(
            model_relations(models.Order)["lines"],
            RelationSpec("lines", models.Line, ("shop", "number"), ("shop", "order_number"), HAS_MANY),
        )
        self.assertEqual(
            model_relations(models.Room)["guests"],
            RelationSpec("guests", models.Guest, ("house", "room_number"), "guest_id", MANY_TO_MANY, True, models.Stay),
        )

    def test_many_to_many_with_a_spec(self) -> None:
        """L1: what `model_relations` says can be declared as it is; `through` alone tells the type."""
        found = model_relations(models.Post)["tags"]
        same = RelationSpec("tags", models.Tag, "post_id", "tag_id", through=models.PostTag)
        self.assertEqual(found, same)

        @dataclass
        class Text:
            id: int | None = auto_key()

        @dataclass
        class Mark:
            text_id: int | None = refers(Text)
            tag_id: int | None = refers(models.Tag, related_name="marks_of_texts")
            id: int | None = auto_key()

        Text.__relations__ = {"tags": RelationSpec("tags", models.Tag, "text_id", "tag_id", through=Mark)}  # type: ignore[attr-defined]  # stated late
        self.assertEqual(model_relations(Text)["tags"].through, Mark)
        Text.__relations__ = {"tags": model_relations(Text)["tags"]}  # type: ignore[attr-defined]  # as above
        self.assertEqual(model_relations(Text)["tags"].through, Mark)

    def test_bad_declarations(self) -> None:
        """L1: what can't be read is a `RelationError` that names the model, the relation and what is allowed."""
        keys = {"local_key": "author_id", "remote_key": "id"}
        author = {"model": models.Author, **keys}
        link = {"model": models.Tag, "through": models.PostTag}
        for given, text in (
            ([], "__relations__ is a mapping"),
            ("x", "__relations__ is a mapping"),
            ({"": author}, "named by text that is not empty and has no dot"),
            ({"a.b": author}, "named by text"),
            ({3: author}, "named by text"),
            ({"a": None}, "a: a relation is a mapping or a RelationSpec, got NoneType"),
            ({"a": models.Author}, "a: a relation is a mapping or a RelationSpec, got type"),
            ({"a": {}}, "a: no 'model'; a relation has model, local_key"),
            ({"a": {**author, "many": True}}, "a: unknown key 'many'"),
            ({"a": {**author, 7: 1}}, "a: unknown key '7'"),
            ({"a": {**author, "foreign_key": "author_id"}}, "'foreign_key' is another word for 'local_key'"),
            ({"a": {**author, "model": "Nobody"}}, "a: its model is a class, or the name of one"),
            ({"a": {**author, "model": "no.such.Post"}}, "a: its model is a class, or the name of one"),
            ({"a": {**author, "model": ""}}, "a: its model is a class"),
            ({"a": {**author, "model": 3}}, "a: its model is a class"),
            ({"a": {**author, "type": "has_some"}}, "the type of a relation is one of 'belongs_to', 'has_many'"),
            ({"a": {**author, "type": "many_to_many"}}, "'through', the model between, goes with 'many_to_many'"),
            ({"a": {**link, "type": "has_many"}}, "'through', the model between, goes with 'many_to_many'"),
            ({"a": {"model": models.Author, "remote_key": "id"}}, "a: local_key is a field's name, or a tuple"),
            ({"a": {"model": models.Author, "local_key": "author_id"}}, "a: remote_key is a field's name"),
            ({"a": {**author, "local_key": ()}}, "a: local_key is a field's name"),
            ({"a": {**author, "local_key": "autor_id"}}, "a: local_key: Text has no field 'autor_id'.*'author_id'"),
            ({"a": {**author, "local_key": ("author_id", 3)}}, "a: local_key: Text fields are named by str"),
            ({"a": {**author, "remote_key": "idd"}}, "a: remote_key: Author has no field 'idd'"),
            ({"a": {**author, "local_key": ("author_id", "id")}}, "different numbers of fields"),
            ({"a": {**author, "local_key": "json"}}, "a: local_key: Text.json is JSON, which can't be a key"),
            ({"a": RelationSpec("b", models.Author, "author_id", "id")}, "a: its RelationSpec has another name"),
            ({"a": link}, "a: PostTag has 0 foreign keys to Text that name the model; local_key says which"),
            ({"a": {**link, "local_key": "rank", "remote_key": "nope"}}, "a: remote_key: PostTag has no field 'nope'"),
            ({"a": {**link, "local_key": "rank", "remote_key": "rank"}}, "must name different fields of PostTag"),
            ({"a": {**link, "local_key": ("rank", "mark")}}, "a: local_key: the key of Text is id"),
            ({"a": {"model": models.Tag, "through": models.Post}}, "a: Post has 0 foreign keys to Text"),
            ({"a": {"model": models.Team, "through": models.Match, "local_key": "id"}}, "has 2 foreign keys to Team"),
        ):

            @dataclass
            class Text:
                author_id: int | None = None
                json: dict[str, Any] | None = None
                id: int | None = auto_key()

            Text.__relations__ = given  # type: ignore[attr-defined]  # the mistake under test
            with self.subTest(given=given), self.assertRaisesRegex(RelationError, f"^Text: .*{text}"):
                model_relations(Text)

    def test_bad_models_in_declarations(self) -> None:
        """L1 M12: a class that is no model is a `ModelError`, wherever it is named."""
        for given in ({"model": int, "local_key": "id", "remote_key": "id"}, {"model": models.Tag, "through": int}):

            @dataclass
            class Text:
                id: int | None = auto_key()
                __relations__: ClassVar[Any] = {"a": given}

            with self.assertRaises(ModelError):
                model_relations(Text)

    def test_specs_that_contradict_themselves(self) -> None:
        """L1: a `RelationSpec` knows its type; `many` and `through` have to fit."""
        spec = RelationSpec("posts", models.Post, "id", "author_id", "has_many")  # type: ignore[arg-type]  # its text
        self.assertIs(spec.relation_type, HAS_MANY)
        self.assertTrue(spec.many)
        self.assertEqual(spec, RelationSpec("posts", models.Post, "id", "author_id", many=True))
        self.assertEqual(RelationSpec("a", models.Author, "author_id", "id").relation_type, "belongs_to")
        for wrong in (
            {"relation_type": "has_some"},
            {"relation_type": 3},
            {"relation_type": "belongs_to", "many": True},
            {"relation_type": "has_one", "many": True},
            {"relation_type": "many_to_many"},
            {"relation_type": "has_many", "through": models.PostTag},
        ):
            with self.subTest(wrong=wrong), self.assertRaisesRegex(RelationError, "^posts: "):
                RelationSpec("posts", models.Post, "id", "author_id", **wrong)  # type: ignore[arg-type]  # the mistake


class Classes(Modules):
    """Classes that are defined again, or go."""

    SOURCE = """
        @dataclass
        class Parent:
            id: int | None = auto_key()
        @dataclass
        class Child:
            parent_id: int | None = refers(Parent)
            id: int | None = auto_key()
    """

    def test_a_child_that_is_defined_again(self) -> None:
        """L1 M6: it replaces the earlier one, whether or not somebody has used it yet."""
        module = self.module(self.SOURCE)
        old = module.Child
        self.assertIs(model_relations(module.Parent)["childs"].model, old)
        self.run_in(module, "@dataclass\nclass Child:\n  parent_id: int = refers(Parent)\n  id: int = auto_key()")
        self.assertIs(relation_of(module.Parent, "childs").target, module.Child)
        self.assertIs(model_relations(module.Parent)["childs"].model, module.Child)
        self.run_in(module, "@dataclass\nclass Child:\n  id: int = auto_key()")
        self.assertEqual(model_relations(module.Parent), {})
        self.assertIsNot(module.Child, old)

    def test_a_parent_that_is_defined_again(self) -> None:
        """L1 M6: the foreign key of a child that was defined before leads to the new one, and back."""
        module = self.module(self.SOURCE)
        old = module.Parent
        self.assertIs(model_relations(module.Child)["parent"].model, old)
        self.run_in(module, "@dataclass\nclass Parent:\n  id: int = auto_key()")
        self.assertIsNot(module.Parent, old)
        self.assertIs(relation_of(module.Child, "parent").target, module.Parent)
        self.assertIs(model_relations(module.Parent)["childs"].model, module.Child)
        self.assertIs(model_relations(old)["childs"].model, module.Child)

    def test_both_are_defined_again(self) -> None:
        """L1 M6: as a reload does."""
        module = self.module(self.SOURCE)
        model_relations(module.Parent)
        self.run_in(module, self.SOURCE)
        self.assertEqual(list(model_relations(module.Parent)), ["childs"])
        self.assertIs(relation_of(module.Parent, "childs").target, module.Child)
        self.assertIs(relation_of(module.Child, "parent").target, module.Parent)

    def test_a_declared_class_that_is_defined_again(self) -> None:
        """L1 M6: also what `__relations__` holds."""
        module = self.module(self.SOURCE)
        module.Child.__relations__ = {"up": {"model": module.Parent, "local_key": "parent_id", "remote_key": "id"}}
        self.run_in(module, "@dataclass\nclass Parent:\n  id: int = auto_key()")
        self.assertIs(model_relations(module.Child)["up"].model, module.Parent)

    def test_a_link_that_is_defined_again(self) -> None:
        """L1 M6: its relations go through the new one."""
        link = "@dataclass\nclass Link:\n  a_id: int = pk(fk=(A, 'id'))\n  b_id: int = pk(fk=(B, 'id'))"
        ends = "@dataclass\nclass A:\n  id: int = auto_key()\n@dataclass\nclass B:\n  id: int = auto_key()"
        module = self.module(f"{ends}\n{link}")
        self.assertIs(relation_of(module.A, "bs").link, module.Link)
        self.run_in(module, link)
        self.assertIs(relation_of(module.A, "bs").link, module.Link)

    def test_local_classes_of_one_name(self) -> None:
        """L1 M6: each call's parent has its own child; of two children of one parent the last one counts."""

        def child_of(parent: type) -> type:
            @dataclass
            class Child:
                parent_id: int | None = refers(parent)
                id: int | None = auto_key()

            model_relations(Child)
            return Child

        def pair() -> tuple[type, type]:
            @dataclass
            class Parent:
                id: int | None = auto_key()

            return Parent, child_of(Parent)

        (one, first), (two, second) = pair(), pair()
        self.assertIs(model_relations(one)["childs"].model, first)
        self.assertIs(model_relations(two)["childs"].model, second)
        third = child_of(one)
        self.assertIs(relation_of(one, "childs").target, third)
        self.assertIs(model_relations(two)["childs"].model, second)

    def test_a_child_that_is_gone(self) -> None:
        """L1: classes are held weakly; what is gone is no relation any more."""

        @dataclass
        class Parent:
            id: int | None = auto_key()

        def child() -> weakref.ref[type]:
            @dataclass
            class Child:
                parent_id: int | None = refers(Parent)
                id: int | None = auto_key()

            model_relations(Child)
            self.assertEqual(list(model_relations(Parent)), ["childs"])
            return weakref.ref(Child)

        gone = child()
        gc.collect()
        self.assertIsNone(gone())
        with self.assertRaisesRegex(RelationError, "^Unknown relation 'childs'"):
            relation_of(Parent, "childs")
        self.assertEqual(model_relations(Parent), {})

    def test_whole_families_go(self) -> None:
        """L1: nothing that was found keeps a class, be it inferred, declared, or a link."""

        def family() -> list[weakref.ref[type]]:
            @dataclass
            class Parent:
                id: int | None = auto_key()

            @dataclass
            class Child:
                parent_id: int | None = refers(Parent)
                id: int | None = auto_key()
                __relations__: ClassVar[Any] = {"up": {"model": Parent, "local_key": "parent_id", "remote_key": "id"}}

            @dataclass
            class Link:
                parent_id: int = pk(fk=(Parent, "id"))
                child_id: int = pk(fk=(Child, "id"))

            Parent.__relations__ = {"all": {"model": Child, "through": Link}}  # type: ignore[attr-defined]  # stated late
            self.assertEqual(list(model_relations(Parent)), ["all", "childs", "links"])
            self.assertEqual(list(model_relations(Child)), ["up", "links", "parents"])
            relation_of(Link, "child")
            return [weakref.ref(Parent), weakref.ref(Child), weakref.ref(Link)]

        found = family()
        gc.collect()
        self.assertEqual([one() for one in found], [None, None, None])

    def test_no_class_is_changed(self) -> None:
        """L1 M12: reading relations leaves models as they are."""
        module = self.module(self.SOURCE)
        before = {cls: dict(vars(cls)) for cls in (module.Parent, module.Child)}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for cls in before:
                model_relations(cls)
        self.assertEqual({cls: dict(vars(cls)) for cls in before}, before)
        found = model_relations(module.Parent)
        found.clear()
        self.assertEqual(list(model_relations(module.Parent)), ["childs"])
