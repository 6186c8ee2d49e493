"""Makes links of the names that docstrings quote: `Repository.insert` leads to where the reference describes it."""

from __future__ import annotations

import re
from typing import Any

import griffe

PACKAGE = "mini_orm"
QUOTED = re.compile(r"(?<!`)`((\w+)(?:\.(\w+))?)`(?!`)")


class References(griffe.Extension):
    """Rewrites docstrings when the whole package has been read."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        public = {name: pkg[name] for name in pkg.exports or ()}
        for found in public.values():
            target = found.final_target if found.is_alias else found
            for one in (target, *target.members.values()):
                if not one.is_alias and one.docstring:
                    one.docstring.value = self.linked(one.docstring.value, public)

    def linked(self, text: str, public: dict[str, Any]) -> str:
        def link(quoted: re.Match[str]) -> str:
            name, owner, member = quoted.groups()
            if owner not in public or (member and member not in public[owner].members):
                return quoted[0]
            return f"[`{name}`][{PACKAGE}.{name}]"

        return QUOTED.sub(link, text)
