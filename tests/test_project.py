"""What a project has beside its code: each command, file and version that it names is there, and blocks run."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import tomllib
import types
import unittest
from pathlib import Path
from typing import Any

from tests.test_readme import python_blocks

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("CONTRIBUTING.md", "SECURITY.md", "examples/README.md", "examples/fastapi_app/README.md")
TARGETS = (
    *("help", "quickstart", "test", "check", "docs", "bench", "build"),
    *("compose-up", "compose-down", "examples"),
)


def read(path: str) -> str:
    """Return the text of a file of the repository."""
    return (ROOT / path).read_text(encoding="utf-8")


def project() -> dict[str, Any]:
    """Return the table `project` of pyproject.toml."""
    found: dict[str, Any] = tomllib.loads(read("pyproject.toml"))["project"]
    return found


def required(path: str) -> list[str]:
    """Return what a file of requirements names."""
    return [line for line in read(path).splitlines() if line and not line.startswith("#")]


class MakefileTest(unittest.TestCase):
    def test_each_target_calls_a_script(self) -> None:
        """README: one line each, and scripts/help.sh knows them all."""
        found = re.findall(r"^([a-z-]+): ## .+\n\t@\./(scripts/\w+\.sh)(?: \w+)?$", read("Makefile"), re.MULTILINE)
        self.assertEqual([target for target, _ in found], list(TARGETS))
        self.assertEqual(read("Makefile").count("\n\t"), len(TARGETS))
        for _, script in found:
            self.assertTrue(os.access(ROOT / script, os.X_OK), script)

    @unittest.skipIf(os.name == "nt", "a script of bash")
    def test_help(self) -> None:
        done = subprocess.run([ROOT / "scripts" / "help.sh"], capture_output=True, text=True, check=True)
        self.assertEqual([line.split()[1] for line in done.stdout.splitlines()], list(TARGETS))


class PackagingTest(unittest.TestCase):
    def test_extra_of_the_site(self) -> None:
        """README: it has what the file of requirements names."""
        self.assertLessEqual({*required("requirements-docs.txt")}, {*project()["optional-dependencies"]["docs"]})

    def test_versions_of_python(self) -> None:
        """README: the workflow tests those that the classifiers name, the oldest being required."""
        named = re.findall(r"Python :: (3\.\d+)$", "\n".join(project()["classifiers"]), re.MULTILINE)
        tested = re.findall(r'python: "(3\.\d+)"', read(".github/workflows/ci.yml"))
        self.assertEqual(named, tested)
        self.assertEqual(project()["requires-python"], f">={named[0]}")

    def test_the_workflow_calls_scripts(self) -> None:
        """README: what it runs is what a contributor runs."""
        scripts = re.findall(r"run: \./(\S+)", read(".github/workflows/ci.yml"))
        self.assertEqual(
            sorted(scripts), ["scripts/build_lib.sh", "scripts/check.sh", "scripts/docs.sh", "scripts/test.sh"]
        )

    def test_requirements(self) -> None:
        """README: the files and the extra say the same."""
        self.assertEqual(required("requirements-build.txt"), project()["optional-dependencies"]["build"])
        self.assertLessEqual({*required("requirements-publish.txt")}, {*required("requirements-build.txt")})
        self.assertEqual(
            [re.split("[>~]", one)[0] for one in required("requirements-docs.txt")],
            ["mkdocs-material", "mkdocstrings[python]", "ruff"],
        )
        self.assertIn(required("requirements-docs.txt")[-1], project()["optional-dependencies"]["test-few"])


class PagesTest(unittest.TestCase):
    def test_what_they_name_is_there(self) -> None:
        """README: links, and the files of the repository that stand in code."""
        for page in PAGES:
            text = read(page)
            named = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
            for name in named:
                self.assertTrue((ROOT / page).parent.joinpath(name).exists(), f"{page}: {name}")
            for name in re.findall(r"`((?:mini_orm|tests|docs|scripts|examples)/[\w/.]+)`", text):
                self.assertTrue((ROOT / name).exists() or name.endswith("cockroach.py"), f"{page}: {name}")

    def test_the_blocks_of_contributing(self) -> None:
        """README: they run, and print what their comments say."""
        text = read("CONTRIBUTING.md")
        module = types.ModuleType("mini_orm_contributing")
        sys.modules[module.__name__] = module  # where annotations of its models are looked up
        self.addCleanup(sys.modules.pop, module.__name__)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            for _, source in python_blocks(text):
                exec(compile(source, "CONTRIBUTING.md", "exec"), vars(module))
        promised = re.findall(r"^print\(.*\)  # (.+)$", text, re.MULTILINE)
        self.assertEqual((len(promised), printed.getvalue().splitlines()), (2, promised))

    def test_what_contributing_quotes(self) -> None:
        """README: code of this repository stands there as it is in its files."""
        text = read("CONTRIBUTING.md")
        [line] = re.findall(r"the line `([^`]+)`", text)
        self.assertIn(line, read("mini_orm/core/drivers/base.py"))
        [block] = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
        own = read("tests/vector_backends/own.py")
        for quoted in block.strip().splitlines():
            self.assertIn(quoted.strip(), own)
        for file, names in {
            "mini_orm/core/drivers/base.py": ("_DRIVERS", "_CONNECTIONS"),
            "mini_orm/core/drivers/openers.py": ("_psycopg2", "_PACKAGES", "_PREFERRED", "_INSTALL"),
            "tests/backends/postgres_drivers.py": ("SyncPsycopg2", "WorkerPsycopg2"),
            "tests/backends/families.py": ("POSTGRES_BACKENDS",),
            "tests/vector_backends/__init__.py": ("VECTOR_BACKENDS",),
        }.items():
            for name in names:
                self.assertIn(f"`{name}", text)
                self.assertIn(name, read(file))


if __name__ == "__main__":
    unittest.main()
