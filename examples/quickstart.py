"""Store the documentation of Python packages in a SQLite file, then ask it questions: in SQL, and by meaning.

    python examples/quickstart.py                 the whole standard library
    python examples/quickstart.py email json      these packages only
    python examples/quickstart.py --db docs.db    another file than quickstart.sqlite3
    python examples/quickstart.py --search path   another search than "parse"
    python examples/quickstart.py --find "the function that wraps long lines of text"
    python examples/quickstart.py --model all-MiniLM-L6-v2   by a model of sentence-transformers, if that is installed

Run it again and it updates what changed instead of storing it twice.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import io
import math
import pkgutil
import re
import sqlite3
import sys
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from types import ModuleType
from typing import Any, TypeAlias

from mini_orm import C, Database, F, InMemoryVectorStore, OrderBy, UnifiedRepository, VectorRecord, VectorRepository


class Kind(Enum):
    CLASS = "class"
    FUNCTION = "function"
    METHOD = "method"
    PROPERTY = "property"


@dataclass
class Module:
    name: str = field(metadata={"pk": True})
    package: str = field(metadata={"index": True})
    path: str | None  # None: compiled into the interpreter
    doc: str


@dataclass(kw_only=True)
class Entry:
    """A public class, function, method or property."""

    id: int | None = field(default=None, metadata={"pk": True, "auto": True})
    name: str = field(metadata={"unique_index": True})
    module: str = field(metadata={"fk": (Module, "name"), "index": True})
    kind: Kind
    signature: str | None
    summary: str
    doc: str
    doc_length: int = field(metadata={"index": True})
    tags: list[str]


@dataclass
class Question:
    """A search and how often it was asked, over all runs."""

    text: str = field(metadata={"pk": True})
    asked: int = 0
    last_asked: datetime | None = field(default=None, metadata={"timezone": True})


# What opens windows or plays jokes when it is imported, what is no part of the library proper, and doubles of `os`.
SKIPPED = {"antigravity", "this", "idlelib", "tkinter", "turtle", "turtledemo", "distutils", "lib2to3", "test", "tests"}
SKIPPED |= {"nt", "posix"}


def load(name: str) -> ModuleType | None:
    """Import a module quietly; `None` if that fails here."""
    quiet = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except (Exception, SystemExit):  # made for another system, or a script, or it needs what is not installed
            return None


def modules_of(name: str) -> Iterator[tuple[str, ModuleType]]:
    """Yield the module of this name and all public modules inside it, with their names."""
    module = load(name)
    if module is None:
        return
    yield name, module
    for info in pkgutil.iter_modules(getattr(module, "__path__", [])):
        if not info.name.startswith("_") and info.name not in SKIPPED:
            yield from modules_of(f"{name}.{info.name}")


def public_members(module_name: str, module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield the classes and functions that a module offers: those in `__all__`, else those it defines."""
    listed = getattr(module, "__all__", None)
    parent = sys.modules.get(module_name.rpartition(".")[0])
    for name in dict.fromkeys(vars(module) if listed is None else listed):
        obj = getattr(module, name, None)
        if not (inspect.isclass(obj) or inspect.isroutine(obj)):
            continue
        if listed is None and (name.startswith("_") or getattr(obj, "__module__", None) != module.__name__):
            continue
        if name in getattr(parent, "__all__", ()) and getattr(parent, name, None) is obj:
            continue  # its package offers it too, under a shorter name
        yield name, obj


def signature_of(obj: Any) -> str | None:
    """Write the signature, without defaults that would drag in half the machine, such as `os.environ`."""
    plain = (str, bytes, int, float, type, type(None))
    try:
        signature = inspect.signature(obj)
        shown = [p if isinstance(p.default, plain) else p.replace(default=...) for p in signature.parameters.values()]
        return str(signature.replace(parameters=shown)).replace("Ellipsis", "...")
    except Exception:  # not callable, without one, or odd: Python 3.13 raises AttributeError for select.epoll.register
        return None


def make_entry(name: str, module: str, kind: Kind, obj: Any) -> Entry:
    doc = inspect.getdoc(obj) or ""
    tags = {
        "async": inspect.iscoroutinefunction(obj) or inspect.isasyncgenfunction(obj),
        "generator": inspect.isgeneratorfunction(obj),
        "exception": inspect.isclass(obj) and issubclass(obj, BaseException),
        "deprecated": "deprecated" in doc.lower(),
    }
    return Entry(
        name=name,
        module=module,
        kind=kind,
        signature=signature_of(obj),
        summary=doc.partition("\n")[0],
        doc=doc,
        doc_length=len(doc),
        tags=[tag for tag, applies in tags.items() if applies],
    )


def entries_of(module_name: str, module: ModuleType) -> Iterator[Entry]:
    for name, obj in public_members(module_name, module):
        path = f"{module_name}.{name}"
        if not inspect.isclass(obj):
            yield make_entry(path, module_name, Kind.FUNCTION, obj)
            continue
        yield make_entry(path, module_name, Kind.CLASS, obj)
        for member in vars(obj):
            value = None if member.startswith("_") else getattr(obj, member, None)
            if isinstance(value, property):
                yield make_entry(f"{path}.{member}", module_name, Kind.PROPERTY, value)
            elif inspect.isroutine(value):
                yield make_entry(f"{path}.{member}", module_name, Kind.METHOD, value)


def with_progress(names: list[str]) -> Iterable[str]:
    """Show a progress bar on a terminal, if tqdm (the extra `demo`) is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        return names
    hidden = not (sys.stdout.isatty() and sys.stderr.isatty())
    bar: Iterable[str] = tqdm(names, desc="reading", unit="package", leave=False, disable=hidden)
    return bar


def read(packages: list[str]) -> tuple[dict[str, Module], dict[str, Entry]]:
    """Read the packages' modules and what they hold, by name."""
    modules: dict[str, Module] = {}
    entries: dict[str, Entry] = {}
    for package in with_progress(packages):
        for name, module in modules_of(package):
            path, doc = getattr(module, "__file__", None), inspect.getdoc(module) or ""
            modules[name] = Module(name, package=name.partition(".")[0], path=path, doc=doc)
            entries |= {entry.name: entry for entry in entries_of(name, module)}
    return modules, entries


def merge(hub: UnifiedRepository, stored: dict[str, Any], found: dict[str, Any], changes: Counter[str]) -> None:
    """Insert what is new and update what differs; a dataclass compares by value, so equal means unchanged."""
    changes["new"] += len(hub.insert_many([found[name] for name in found if name not in stored]))
    for name in found.keys() & stored.keys():
        if found[name] == stored[name]:
            changes["unchanged"] += 1
        else:
            changes["updated"] += hub.update(found[name])


def store(db: Database, packages: list[str], modules: dict[str, Module], entries: dict[str, Entry]) -> Counter[str]:
    """Make the file agree with what was read of these packages: all of it or, after an error, nothing."""
    changes: Counter[str] = Counter()
    with db.transaction() as tx:
        hub = UnifiedRepository(tx, auto_schema=True)
        in_packages = C.or_([C.eq("name", name) | C.startswith("name", f"{name}.") for name in packages])
        stored_modules = {module.name: module for module in hub.list(Module, where=in_packages)}
        stored_entries = {entry.name: entry for entry in hub.list(Entry, where=C.in_("module", list(stored_modules)))}
        for name in entries.keys() & stored_entries.keys():
            entries[name].id = stored_entries[name].id

        merge(hub, stored_modules, modules, changes)
        merge(hub, stored_entries, entries, changes)
        gone_entries = [name for name in stored_entries if name not in entries]
        gone_modules = [name for name in stored_modules if name not in modules]
        changes["removed"] += hub.delete_where(Entry, where=C.in_("name", gone_entries))
        changes["removed"] += hub.delete_where(Module, where=C.in_("name", gone_modules))
    return changes


def print_table(title: str, headers: str, rows: Iterable[Iterable[object]]) -> None:
    """Print a small table, at most 96 characters wide: the last column gets what the others leave."""
    lines = [headers.split(), *([str(cell) for cell in row] for row in rows)]
    widths = [min(40, max(map(len, column))) for column in zip(*lines, strict=True)]
    widths[-1] = 96 - sum(widths[:-1]) - 2 * len(widths)
    print(f"\n{title}")
    for line in lines:
        pairs = zip(line, widths, strict=True)
        cells = [(cell if len(cell) <= width else f"{cell[: width - 3]}...").ljust(width) for cell, width in pairs]
        print("  " + "  ".join(cells).rstrip())
    if len(lines) == 1:
        print("  (none)")


def answer(db: Database, modules: list[str], text: str) -> None:
    """Ask what these modules hold, and search them for a text."""
    hub = UnifiedRepository(db, auto_schema=True)
    here = C.in_("module", modules)
    documented = C.gt("doc_length", 0)

    kinds = {kind: here & C.eq("kind", kind) for kind in Kind}
    counts = [
        (kind.value, hub.count(Entry, where), hub.count(Entry, where & documented)) for kind, where in kinds.items()
    ]
    print_table("How much is documented?", "kind entries documented", counts)

    longest = hub.list(Entry, where=here, order_by=[OrderBy("doc_length", desc=True), "name"], limit=5)
    rows: list[tuple[object, ...]] = [(entry.name, entry.doc_length, entry.summary) for entry in longest]
    print_table("What has the longest documentation?", "name characters summary", rows)

    silent = hub.list(Entry, where=[here, C.in_("kind", [Kind.FUNCTION, Kind.METHOD]), ~documented], order_by="name")
    example = {entry.module: entry.name for entry in reversed(silent)}
    most = Counter(entry.module for entry in silent).most_common(5)
    print_table(
        "Which modules have most functions and methods without documentation?",
        "module count first",
        [(module, count, example[module]) for module, count in most],
    )

    pages = max(1, math.ceil(hub.count(Entry, kinds[Kind.CLASS]) / 5))
    page = min(2, pages)
    classes = hub.list(Entry, where=kinds[Kind.CLASS], order_by="name", limit=5, offset=(page - 1) * 5)
    rows = [(entry.name, " ".join(entry.tags), entry.summary) for entry in classes]
    print_table(f"Classes by name, page {page} of {pages}", "name tags summary", rows)

    hub.get_or_create(Question, lookup={"text": text})
    asked_now = {"asked": F("asked") + 1, "last_asked": datetime.now(UTC)}
    hub.update_where(Question, asked_now, where=C.eq("text", text))
    asked = hub.list(Question, where=C.eq("text", text))[0].asked
    about = kinds[Kind.FUNCTION] & (C.contains("name", text) | C.ilike("summary", f"%{text}%"))
    title = f"Functions about {text!r}: {hub.count(Entry, about)} in all (question asked {asked} times so far)"
    rows = [
        (entry.name, entry.signature or "(...)") for entry in hub.list(Entry, where=about, order_by="name", limit=5)
    ]
    print_table(title, "name signature", rows)


#: Makes a vector of length 1 for each text; texts that are alike get vectors that are near each other.
Embed: TypeAlias = Callable[[Sequence[str]], Sequence[Sequence[float]]]


class HashingEmbedder:
    """Makes vectors by the words, and the groups of three letters, that texts share; rare words count most.

    It takes no download, and a second or two for the whole standard library. It knows no synonyms: a model does.
    """

    DIMENSION = 512
    LETTERS = 0.5  # what three letters of a word count beside the word
    CAMEL_CASE = re.compile("(?<=[a-z])(?=[A-Z])")
    WORD = re.compile(r"[^\W_]+")
    ENDING = re.compile(r"(?<=\w{3})(ations?|ings?|ers?|ies|ed|es|s|e|y)$")

    def __init__(self, texts: Sequence[str]) -> None:
        self._all = len(texts)
        self._having = Counter(stem for text in texts for stem in set(self.stems(text)))
        self._features: dict[str, list[tuple[int, float]]] = {}

    def __call__(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return [self.vector(text) for text in texts]

    def vector(self, text: str) -> list[float]:
        vector = [0.0] * self.DIMENSION
        for stem, times in Counter(self.stems(text)).items():
            for place, weight in self.features(stem):
                vector[place] += weight * math.sqrt(times)
        length = math.hypot(*vector) or 1.0
        return [value / length for value in vector]

    def stems(self, text: str) -> list[str]:
        words = self.WORD.findall(self.CAMEL_CASE.sub(" ", text).lower())
        return [self.ENDING.sub("", word) for word in words]

    def features(self, stem: str) -> list[tuple[int, float]]:
        """Return the places that a word has a part in, and how much; the sign has collisions cancel each other out."""
        if stem not in self._features:
            rarity = math.log((1 + self._all) / (1 + self._having[stem]))
            letters = [f"^{stem}$"[start : start + 3] for start in range(len(stem))]
            found = []
            for part, weight in [(stem, rarity), *((three, rarity * self.LETTERS) for three in letters)]:
                number = zlib.crc32(part.encode())  # the same in every process, which `hash` is not
                found.append((number % self.DIMENSION, weight if number & 2**31 else -weight))
            self._features[stem] = found
        return self._features[stem]


def load_model(name: str) -> Embed:
    """Load a model of sentence-transformers.

    Raises:
        ImportError: that is not installed.
    """
    try:
        package = importlib.import_module("sentence_transformers")
    except ImportError:
        raise ImportError("--model needs a package: python -m pip install sentence-transformers") from None
    model = package.SentenceTransformer(name)
    return lambda texts: model.encode(list(texts), normalize_embeddings=True)


def find(db: Database, modules: list[str], question: str, model: Embed | None) -> None:
    """Find functions by what their documentation means: vectors say which they are, SQL what they are."""
    hub = UnifiedRepository(db)
    entries = hub.list(Entry, where=C.in_("module", modules) & C.gt("doc_length", 0))
    started = time.perf_counter()
    texts = [f"{entry.name} {entry.doc[:300]}" for entry in entries]
    embed = model or HashingEmbedder(texts)
    asked, *vectors = embed([question, *texts])
    # Of vectors of length 1 the inner product is the cosine.
    index = VectorRepository(InMemoryVectorStore(), "docs", dimension=len(asked), metric="dot")
    pairs = zip(entries, vectors, strict=True)
    index.upsert(VectorRecord(entry.name, vector, {"kind": entry.kind.value}) for entry, vector in pairs)
    embedded = time.perf_counter()

    hits = index.query(asked, top_k=5, filters=C.in_("kind", ["function", "method"]))
    found = {entry.name: entry for entry in hub.list(Entry, where=C.in_("name", [hit.id for hit in hits]))}
    answered = time.perf_counter()
    rows = [(f"{hit.score:.2f}", hit.id, found[hit.id].kind.value, found[hit.id].summary) for hit in hits]
    print_table(f"By meaning: {question}", "score name kind summary", rows)
    seconds, milliseconds = embedded - started, (answered - embedded) * 1000
    print(f"  ({len(texts)} texts embedded in {seconds:.1f} s, the question answered in {milliseconds:.0f} ms)")


def main() -> int:
    parser = argparse.ArgumentParser(description="Store the documentation of Python packages and ask it questions.")
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help="default: all of the standard library")
    parser.add_argument("--db", default="quickstart.sqlite3", metavar="FILE", help="the SQLite file (%(default)s)")
    parser.add_argument("--search", default="parse", metavar="TEXT", help="what to search for (%(default)s)")
    question = "the function that guesses the type of a file from its name"
    parser.add_argument("--find", default=question, metavar="TEXT", help="what to find by meaning (%(default)s)")
    parser.add_argument("--model", metavar="NAME", help="find by this model of sentence-transformers")
    options = parser.parse_args()
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # documentation holds any character

    standard = (name for name in sys.stdlib_module_names - SKIPPED if not name.startswith("_"))
    packages = options.packages or sorted(standard)
    for name in options.packages:
        if load(name) is None:
            print(f"quickstart: no package {name!r} can be imported here", file=sys.stderr)
            return 2
    try:
        model = None if options.model is None else load_model(options.model)
    except (ImportError, OSError, ValueError) as exc:  # not installed, or no such model
        print("quickstart:", str(exc).partition("\n")[0], file=sys.stderr)
        return 2
    try:
        with Database(sqlite3.connect(options.db)) as db:
            started = time.perf_counter()
            modules, entries = read(packages)
            changes = store(db, packages, modules, entries)
            seconds = time.perf_counter() - started
            print(", ".join(f"{changes[what]} {what}" for what in ("new", "updated", "unchanged", "removed")))
            answer(db, list(modules), options.search)
            find(db, list(modules), options.find, model)
    except sqlite3.Error as exc:  # mini_orm's database errors are the driver's, too
        print(f"quickstart: cannot use the file {options.db}: {exc}", file=sys.stderr)
        return 2
    print(f"\nstored {len(modules) + len(entries)} records in {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
