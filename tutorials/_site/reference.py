"""The reference, from the code itself: Makers, documents with their fields, modules, and the command line.

Directives, each of which writes reStructuredText or Markdown that autodoc and Sphinx then read:

``makers``
    Table of all Makers: role, what they take, what they return.
``documents``
    Table of all documents.
``stage PACKAGE``
    Makers, documents, settings, functions and types that a package offers.
``modules PACKAGE``
    What else its modules hold.
``base``
    The modules that all stages share.
``units``
    The table of units.
``commands``
    All commands with their options.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Any, Final

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from inventory import ROOT, home, link, modules_of, offered, public_classes
from jobflow import Maker
from sphinx.application import Sphinx
from sphinx.util.nodes import nested_parse_with_titles

from disolyte.provenance import StageDoc
from disolyte.records import Record

ROLES: Final = ("cpu", "gpu", "dft")


def first_sentence(value: Any) -> str:
    """The summary line of a docstring."""
    return (inspect.getdoc(value) or "").strip().split("\n\n")[0].replace("\n", " ")


def is_document(value: type) -> bool:
    """Whether it is what a job returns."""
    return issubclass(value, StageDoc) and value is not StageDoc


def roles_of(maker: type[Maker], *, with_fields: bool = False) -> set[str]:
    """Role of a Maker's job; of a flow, the roles of the Makers in its fields, and of those in theirs, by default."""
    role = getattr(maker, "role", None)
    own = set() if role is None else {str(role.value)}
    if own and not with_fields:
        return own
    defaults = [
        field.default_factory() if field.default_factory is not MISSING else field.default for field in fields(maker)
    ]
    makers = [type(value) for value in defaults if isinstance(value, Maker)]
    return own.union(*(roles_of(one, with_fields=True) for one in makers))


def outputs_of(maker: type[Maker]) -> list[str]:
    """Documents at the end of a Maker, as its annotation or, for flows, the text of its ``make`` names them."""
    make = inspect.unwrap(maker.make)
    text = inspect.getdoc(make) or ""
    said = f"{make.__annotations__.get('return', '')} {first_sentence(make)} {text.partition('Returns')[2]}"
    documents = {value.__name__: value for value in public_classes(ROOT, StageDoc)}
    named = dict.fromkeys(re.findall(r"\b[A-Z]\w+Doc\b", said))
    return [link(documents[name]) for name in named if name in documents] or ["``TaskDoc`` of atomate2"]


class Written(Directive):
    """A directive that writes reStructuredText."""

    optional_arguments = 1

    def lines(self) -> Iterator[str]:
        """The text."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Parse the text where the directive stands."""
        container = nodes.section()
        container.document = self.state.document
        nested_parse_with_titles(self.state, StringList(list(self.lines()), source=f"<{self.name}>"), container)
        return container.children


def table(header: tuple[str, ...], rows: list[tuple[str, ...]], widths: str) -> Iterator[str]:
    """A list-table whose rows are stacked on a narrow screen."""
    yield from ("", ".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", "   :class: stacked", "")
    for row in (header, *rows):
        yield from (f"   {'*' if i == 0 else ' '} - {cell}" for i, cell in enumerate(row))
    yield ""


class MakersTable(Written):
    """All Makers."""

    def lines(self) -> Iterator[str]:
        """One row for each Maker."""
        rows = []
        for maker in public_classes(ROOT, Maker):
            if inspect.isabstract(maker):
                continue
            roles = ", ".join(role for role in ROLES if role in roles_of(maker)) or "those of its jobs"
            gives = ", ".join(outputs_of(maker))
            if getattr(maker, "role", None) is None:
                gives = f"flow: {gives}"
            rows.append((link(maker), roles, gives, first_sentence(maker)))
        yield from table(("Maker", "role", "gives", "what it does"), rows, "25 8 22 45")


class DocumentsTable(Written):
    """All documents."""

    def lines(self) -> Iterator[str]:
        """One row for each document."""
        rows = [(link(doc), first_sentence(doc)) for doc in public_classes(ROOT, StageDoc) if is_document(doc)]
        yield from table(("document", "what it holds"), rows, "30 70")


def heading(title: str, mark: str) -> Iterator[str]:
    """A heading."""
    yield from ("", title, mark * len(title), "")


def autoclass(value: type, *, members: bool = True) -> Iterator[str]:
    """Directive that documents a class with its methods."""
    yield from (f".. autoclass:: {home(value)}", "   :show-inheritance:", *(["   :members:"] if members else []), "")


class Stage(Written):
    """What a package offers."""

    required_arguments = 1
    optional_arguments = 0

    def lines(self) -> Iterator[str]:
        """Makers, documents, records and the rest of ``__all__``."""
        package = self.arguments[0]
        yield from (f".. automodule:: {package}", "   :no-members:", "")
        makers, records = public_classes(package, Maker), public_classes(package, Record)
        documents = [value for value in records if is_document(value)]
        rest = [value for value in records if value not in documents]
        for title, values in (("Makers", makers), ("Documents", documents), ("Settings and records", rest)):
            if values:
                yield from heading(title, "-")
            for value in values:
                yield from autoclass(value)
        others = [value for value in offered(package) if value not in makers and value not in records]
        if others:
            yield from heading("Functions and types", "-")
        for value in others:
            if inspect.isclass(value):
                yield from autoclass(value)
            elif inspect.isfunction(inspect.unwrap(value)):
                yield from (f".. autofunction:: {home(value)}", "")


class Modules(Written):
    """What else the modules of a package hold."""

    required_arguments = 1
    optional_arguments = 0

    def lines(self) -> Iterator[str]:
        """Each module without what :class:`Stage` shows."""
        package = self.arguments[0]
        shown = {home(v) for base in (Maker, Record) for v in public_classes(package, base)}
        shown |= {home(value) for value in offered(package) if hasattr(value, "__qualname__")}
        for module in modules_of(package):
            if module.__name__ == package:
                continue
            hidden = sorted(name.rpartition(".")[2] for name in shown if name.rpartition(".")[0] == module.__name__)
            yield from heading(module.__name__.removeprefix(f"{ROOT}."), "~")
            yield from (f".. automodule:: {module.__name__}", "   :members:")
            yield from ([f"   :exclude-members: {', '.join(hidden)}"] if hidden else [])
            yield ""


class Base(Written):
    """Modules at the top of the package, which all stages share."""

    def lines(self) -> Iterator[str]:
        """Each module in full."""
        for name in ("errors", "units", "provenance", "records", "blobs", "electrostatics"):
            yield from heading(name.capitalize(), "-")
            yield from (f".. automodule:: {ROOT}.{name}", "   :members:", "")


class Units(Written):
    """The table of units."""

    def lines(self) -> Iterator[str]:
        """The table in the docstring of the module."""
        text = inspect.getdoc(importlib.import_module(f"{ROOT}.units")) or ""
        yield from ("=====" + text.partition("=====")[2].rpartition("=====")[0] + "=====").splitlines()


class Commands(Directive):
    """All commands, as typer writes them."""

    def run(self) -> list[nodes.Node]:
        """Parse typer's Markdown."""
        import typer.cli
        import typer.main

        from disolyte.cli import app

        command = typer.main.get_command(app)
        text = typer.cli.get_docs_for_click(obj=command, ctx=typer.Context(command), name=ROOT)
        container = nodes.section()
        container.document = self.state.document
        self.state.nested_parse(StringList(text.splitlines()[2:], source="<commands>"), 0, container)
        return container.children


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    directives = {
        "makers": MakersTable,
        "documents": DocumentsTable,
        "stage": Stage,
        "modules": Modules,
        "base": Base,
        "units": Units,
        "commands": Commands,
    }
    for name, directive in directives.items():
        app.add_directive(name, directive)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
