"""Lets pages of the site link to files that are outside of docs/, as they do where the repository itself is shown.

Markdown that any page leads to gets a page of its own under repository/. So does code, where a page of docs/, or one of
those that mkdocs.yml names, leads to it; elsewhere only the link's text stays.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Container, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
DOCS = "docs/"
#: Where the files from outside of docs/ have their pages.
PLACE = "repository/"
#: Files whose pages mkdocs.yml names.
NAMED = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md")
LANGUAGES = {".py": "python", ".yml": "yaml", ".sh": "bash"}
#: A link to a file: its text, the file, the place in it.
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s#:]+)(#[^()\s]*)?\)")


def page_of(file: str) -> str:
    """Return the page that shows a file of the repository."""
    if file == "README.md":
        return "index.md"  # which says the same
    if file.startswith(DOCS):
        return file.removeprefix(DOCS)
    return PLACE + (file if file.endswith(".md") else f"{file}.md")


def file_of(page: str) -> str:
    """Return the file of the repository that a page shows."""
    if not page.startswith(PLACE):
        return DOCS + page
    file = page.removeprefix(PLACE)
    return file if (ROOT / file).is_file() else file.removesuffix(".md")


def target_of(link: str, file: str) -> str | None:
    """Return the file that a link in a file leads to, if it is one of the repository."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(file), link))
    return target if not target.startswith("..") and (ROOT / target).is_file() else None


def targets_of(file: str) -> set[str]:
    """Return the files outside of docs/ to which a file of Markdown leads."""
    found = {target_of(link[2], file) for link in LINK.finditer((ROOT / file).read_text(encoding="utf-8"))}
    return {one for one in found if one and page_of(one).startswith(PLACE)}


def outside(files: Iterable[str]) -> set[str]:
    """Return the files outside of docs/ that need a page, as these files lead there."""
    found = {target for file in files for target in targets_of(file)}
    more = found
    while more:
        more = {target for file in more if file.endswith(".md") for target in targets_of(file)}
        more = {target for target in more - found if target.endswith(".md")}
        found |= more
    return found


def text_of(file: str) -> str:
    """Return a file of the repository as Markdown."""
    text = (ROOT / file).read_text(encoding="utf-8")
    if file.endswith(".md"):
        return text
    language = LANGUAGES.get(Path(file).suffix, "text")
    # Code would drown what a search finds in the pages.
    return f"---\nsearch:\n  exclude: true\n---\n# {file}\n\n~~~~ {language}\n{text}\n~~~~\n"


def relinked(text: str, page: str, pages: Container[str]) -> str:
    """Return a page's Markdown with links that lead from page to page."""
    file = file_of(page)

    def led(link: re.Match[str]) -> str:
        target = target_of(link[2], file)
        if target is None or (target.startswith(DOCS) and file.startswith(DOCS)):
            return link[0]
        if page_of(target) not in pages:
            return link[1]
        return f"[{link[1]}]({posixpath.relpath(page_of(target), posixpath.dirname(page) or '.')}{link[3] or ''})"

    return LINK.sub(led, text)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages of files outside of docs/."""
    from mkdocs.structure.files import File

    pages = [DOCS + one.src_uri for one in files.documentation_pages()]
    for file in sorted({*NAMED, *outside([*pages, *NAMED])}):
        files.append(File.generated(config, page_of(file), content=text_of(file)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make the links of a page fit for the site."""
    return relinked(markdown, page.file.src_uri, files.src_uris)
