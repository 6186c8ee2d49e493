"""The application of examples/fastapi_app, asked by an HTTP client: in this process, and on a real server."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

from mini_orm import AsyncDatabase, LockTimeout
from tests import servers

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
MISSING = [name for name in ("fastapi", "httpx", "uvicorn") if importlib.util.find_spec(name) is None]
ARTICLES = {
    "bread": "How to bake a loaf of bread from flour, water and salt",
    "tides": "Why the sea rises and falls twice a day",
    "yeast": "Baking without yeast: soda bread and flat loaves",
}


def postgres_url() -> str | None:
    """Return the URL of this run's PostgreSQL."""
    found = servers.postgres()
    return None if found is None else _url("postgresql", found, found["dbname"])


def mysql_url() -> str | None:
    """Return the URL of this run's MariaDB or MySQL."""
    found = servers.mysql()
    return None if found is None else _url("mysql", found, found["database"])


def _url(scheme: str, found: dict[str, Any], database: str) -> str:
    user, password = (quote(str(found[name] or ""), safe="") for name in ("user", "password"))
    return f"{scheme}://{user}:{password}@{found['host']}:{found['port']}/{quote(database, safe='')}"


def article(slug: str, **changes: Any) -> dict[str, Any]:
    """Make what is sent for a new article."""
    return {"slug": slug, "title": slug.title(), "text": ARTICLES.get(slug, "Nothing much"), "author": "Ada"} | changes


@unittest.skipIf(MISSING, f"not installed: {', '.join(MISSING)}; the extra `test` brings them")
class ApplicationTest(unittest.IsolatedAsyncioTestCase):
    """On SQLite; the subclasses below do the same on servers."""

    @classmethod
    def url(cls) -> str | None:
        return None

    @classmethod
    def setUpClass(cls) -> None:
        cls.enterClassContext(mock.patch.object(sys, "path", [str(EXAMPLES), *sys.path]))
        for name in ("fastapi_app.app", "httpx"):
            importlib.import_module(name)  # takes a second, which no event loop should stand still for

    async def asyncSetUp(self) -> None:
        asyncio.get_running_loop().set_debug(False)
        await asyncio.sleep(0)  # it takes effect at the next step
        directory = self.enterContext(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        self.database = self.url() or f"sqlite:///{directory}/articles.sqlite3"
        self.addAsyncCleanup(self.clean)
        self.client = await self.enterAsyncContext(self.started())

    @contextlib.asynccontextmanager
    async def started(self) -> Any:
        """Start the application and yield a client; stop it at the end."""
        import httpx
        from fastapi_app.app import create_app

        app = create_app(self.database)
        self.app = app
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://app") as one,
        ):
            yield one

    async def clean(self) -> None:
        """Leave nothing on a server."""
        if self.url() is not None:
            async with await AsyncDatabase.connect(self.database) as db:
                for table in ("article", "author", "article_vectors", "_miniorm_pgvector_collections"):
                    await db.execute(f"DROP TABLE IF EXISTS {table}")

    async def post(self, *slugs: str, **changes: Any) -> None:
        for slug in slugs:
            answer = await self.client.post("/articles", json=article(slug, **changes))
            self.assertEqual(answer.status_code, 201, answer.text)

    async def slugs(self, **params: Any) -> list[str]:
        answer = await self.client.get("/articles", params=params)
        return [one["slug"] for one in answer.json()["items"]]

    async def found(self, question: str, **params: Any) -> list[str]:
        answer = await self.client.get("/search", params={"q": question, **params})
        self.assertEqual(answer.status_code, 200, answer.text)
        return [one["article"]["slug"] for one in answer.json()]

    async def test_an_article_comes_changes_and_goes(self) -> None:
        """R1 R3 R4: 201 with a Location, 200, 204, and 404 where there is none."""
        created = await self.client.post("/articles", json=article("bread", author="Zoë"))
        self.assertEqual((created.status_code, created.headers["location"]), (201, "/articles/bread"))
        read = await self.client.get(created.headers["location"])
        self.assertEqual((read.status_code, read.json()), (200, created.json()))
        self.assertEqual((read.json()["author"], read.json()["language"]), ("Zoë", "en"))

        changed = await self.client.put("/articles/bread", json={"title": "Waves", "text": ARTICLES["tides"]})
        self.assertEqual(changed.json(), read.json() | {"title": "Waves", "text": ARTICLES["tides"]})
        await self.post("yeast")
        self.assertEqual((await self.found("sea tides"))[0], "bread")

        self.assertEqual((await self.client.delete("/articles/bread")).status_code, 204)
        self.assertEqual(await self.found("sea tides"), ["yeast"])
        for answer in (
            await self.client.get("/articles/bread"),
            await self.client.put("/articles/bread", json={"title": "x", "text": ""}),
            await self.client.delete("/articles/bread"),
        ):
            self.assertEqual((answer.status_code, answer.json()), (404, {"detail": "no such article"}))

    async def test_what_breaks_a_rule_is_422(self) -> None:
        """V1 Errors: every broken rule of a model, and what has no form, in FastAPI's own words; nothing is stored."""
        await self.post("bread")
        cases: list[tuple[dict[str, Any], list[list[str]]]] = [
            (article("Not a slug", title=" "), [["body", "slug"], ["body", "title"]]),
            (article("x", author=""), [["body", "author"]]),
            (article("x", text="a\0b"), [["body", "text"]]),
            ({"slug": "x", "author": "Ada", "text": ""}, [["body", "title"]]),
        ]
        for sent, places in cases:
            with self.subTest(places=places):
                answer = await self.client.post("/articles", json=sent)
                self.assertEqual(answer.status_code, 422, answer.text)
                self.assertEqual([one["loc"] for one in answer.json()["detail"]], places)
                self.assertEqual({*answer.json()["detail"][0]} - {"input"}, {"loc", "msg", "type"})
        changed = await self.client.put("/articles/bread", json={"title": "", "text": ""})
        self.assertEqual([one["loc"] for one in changed.json()["detail"]], [["body", "title"]])
        for path in ("/articles?limit=0", "/articles?before=9223372036854775808", "/search?q=%20", "/articles/a%00"):
            with self.subTest(path):
                self.assertEqual((await self.client.get(path)).status_code, 422)
        self.assertEqual(await self.slugs(), ["bread"])

    async def test_what_is_taken_is_409(self) -> None:
        """R6 Errors: the second one with a slug changes nothing, and leaves no author behind."""
        await self.post("bread")
        answer = await self.client.post("/articles", json=article("bread", author="Eve", text="other"))
        self.assertEqual(
            (answer.status_code, answer.json()), (409, {"detail": "what has to be unique is taken already"})
        )
        self.assertEqual((await self.client.get("/articles/bread")).json()["text"], ARTICLES["bread"])
        count = await self.app.state.db.fetchone("SELECT count(*) AS authors FROM author")
        self.assertEqual(count, {"authors": 1})

    async def test_many_at_once(self) -> None:
        """G1 X4: one author for all of them; of those with one slug the first one is stored."""

        async def post(slug: str) -> int:
            while True:
                status: int = (await self.client.post("/articles", json=article(slug))).status_code
                if status != 503:  # another one was in the way
                    return status

        answers = await asyncio.gather(*(post(f"a{number}") for number in (1, 2, 3, 4, 4, 4, 5, 6)))
        self.assertEqual(sorted(answers), [201] * 6 + [409] * 2)
        self.assertEqual(sorted(await self.slugs(author="Ada")), ["a1", "a2", "a3", "a4", "a5", "a6"])
        self.assertEqual(len(await self.found("nothing")), 6)

    async def test_a_busy_database_is_503(self) -> None:
        """Errors: who may try again is told so."""
        with mock.patch("mini_orm.AsyncSession.list_related", side_effect=LockTimeout("locked")):
            answer = await self.client.get("/articles")
        self.assertEqual((answer.status_code, answer.headers["retry-after"]), (503, "1"))

    async def test_an_index_that_fails_leaves_no_row(self) -> None:
        """R6: row and vector are stored, or neither."""
        with mock.patch.object(self.app.state.index, "upsert", side_effect=LockTimeout("locked")):
            answer = await self.client.post("/articles", json=article("bread"))
        self.assertEqual((answer.status_code, await self.slugs()), (503, []))

    async def test_pages(self) -> None:
        """Q12 L3: newest first; each page names the next, and what is written meanwhile shifts none."""
        await self.post("a1", "a2", "a3", "a4", "a5")
        first = (await self.client.get("/articles", params={"limit": 2})).json()
        await self.post("a6", author="Eve")
        second = (await self.client.get("/articles", params={"limit": 2, "before": first["next"]})).json()
        third = (await self.client.get("/articles", params={"limit": 2, "before": second["next"]})).json()
        pages = [[one["slug"] for one in page["items"]] for page in (first, second, third)]
        self.assertEqual(pages, [["a5", "a4"], ["a3", "a2"], ["a1"]])
        self.assertIsNone(third["next"])
        self.assertEqual(await self.slugs(author="Eve"), ["a6"])
        self.assertEqual(await self.slugs(author="nobody"), [])

    async def test_search(self) -> None:
        """E1 E4: the nearest first, filtered, and found again after a restart."""
        await self.post("bread", "tides")
        await self.post("yeast", language="de")
        self.assertEqual((await self.found("loaf flour", limit=2)), ["bread", "yeast"])
        self.assertEqual((await self.found("the sea by day"))[0], "tides")
        self.assertEqual(await self.found("bread", language="de"), ["yeast"])
        self.assertEqual(await self.found("bread", language="fr"), [])
        async with self.started() as self.client:
            self.assertEqual((await self.found("loaf flour", limit=2)), ["bread", "yeast"])


@unittest.skipIf(servers.postgres() is None, servers.reason("postgres"))
class PostgresApplicationTest(ApplicationTest):
    """The vectors are in the database here."""

    @classmethod
    def url(cls) -> str | None:
        return postgres_url()

    async def test_a_vector_of_a_transaction_that_fails(self) -> None:
        """E7: row and vector are one commit."""
        await self.post("bread")
        upsert = self.app.state.index.upsert

        async def late(records: Any) -> None:
            await upsert(records)
            raise LockTimeout("locked")

        with mock.patch.object(self.app.state.index, "upsert", late):
            await self.client.post("/articles", json=article("tides"))
        self.assertEqual(await self.app.state.index.count(), 1)


@unittest.skipIf(servers.mysql() is None, servers.reason("mysql"))
class MySQLApplicationTest(ApplicationTest):
    @classmethod
    def url(cls) -> str | None:
        return mysql_url()


@unittest.skipIf(MISSING, f"not installed: {', '.join(MISSING)}; the extra `test` brings them")
@unittest.skipIf(os.name == "nt", "a signal stops the server")
class ServerTest(unittest.TestCase):
    def test_started_as_its_page_says(self) -> None:
        """uvicorn on a free port: it serves, and stops without an error."""
        import httpx

        with tempfile.TemporaryDirectory() as directory:
            command = [
                sys.executable,
                "-W",
                "error",
                "-m",
                "uvicorn",
                "--app-dir",
                str(EXAMPLES),
                "--port",
                "0",
                "--no-access-log",
            ]
            paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
            environment = {**os.environ, "PYTHONPATH": paths, "DATABASE_URL": "sqlite:///articles.sqlite3"}
            with subprocess.Popen(
                [*command, "fastapi_app.app:app"], cwd=directory, env=environment, stderr=subprocess.PIPE, text=True
            ) as server:
                assert server.stderr is not None
                try:
                    address = self.address(server.stderr)
                    with httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
                        self.assertEqual(client.post("/articles", json=article("bread")).status_code, 201)
                        self.assertEqual(client.post("/articles", json=article("bread")).status_code, 409)
                        self.assertIn("/search", client.get("/openapi.json").json()["paths"])
                finally:
                    server.send_signal(signal.SIGINT)
                    rest = server.stderr.read()
            self.assertNotIn("Traceback", rest)
            self.assertTrue((Path(directory) / "articles.sqlite3").is_file())

    def address(self, lines: Any) -> str:
        """Read what the server says until it tells where it listens."""
        said = ""
        for line in lines:
            said += line
            if found := re.search(r"running on (http://\S+)", line):
                return found[1]
        self.fail(f"the server has ended:\n{said}")


if __name__ == "__main__":
    unittest.main()
