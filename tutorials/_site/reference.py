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
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from jobflow import Maker
from pydantic_core import PydanticUndefined
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.autodoc import Options
from sphinx.util import logging
from sphinx.util.nodes import nested_parse_with_titles
from sphinx.util.typing import restify

from disolyte.provenance import StageDoc
from disolyte.records import Record

ROOT = "disolyte"
STAGES = (
    "systems", "enumeration", "models", "thermodynamics", "dynamics", "sampling", "labelling", "finetuning",
    "diffusion", "flows",
)  # fmt: skip
"""In the order of the pipeline."""


def modules_of(package: str) -> Iterator[ModuleType]:
    """A package and all modules below it that can be imported by name."""
    top = importlib.import_module(package)
    yield top
    for info in pkgutil.walk_packages(getattr(top, "__path__", []), f"{package}."):
        if not info.name.rpartition(".")[2].startswith("__"):
            yield importlib.import_module(info.name)


def public_classes(package: str, base: type) -> list[type]:
    """Public subclasses of ``base`` that are defined in a package, in the order of the code."""
    found = [
        value
        for module in modules_of(package)
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, base) and value.__module__ == module.__name__
        if not name.startswith("_")
    ]
    return sorted(set(found), key=lambda value: (_stage(value), found.index(value)))


def _stage(value: type) -> int:
    stage = value.__module__.split(".")[1]
    return STAGES.index(stage) if stage in STAGES else len(STAGES)


def offered(package: str) -> list[Any]:
    """Functions and classes of a package's ``__all__`` that are neither Makers nor records of documents."""
    top = importlib.import_module(package)
    return [getattr(top, name) for name in getattr(top, "__all__", ())]


def home(value: Any) -> str:
    """Where something is defined, as a dotted name."""
    return f"{value.__module__}.{value.__qualname__}"


def first_sentence(value: Any) -> str:
    """The summary line of a docstring."""
    return (inspect.getdoc(value) or "").strip().split("\n\n")[0].replace("\n", " ")


def is_document(value: type) -> bool:
    """Whether it is what a job returns."""
    return issubclass(value, StageDoc) and value is not StageDoc


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
    """A list-table."""
    yield from ("", ".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", "")
    for row in (header, *rows):
        yield from (f"   {'*' if i == 0 else ' '} - {cell}" for i, cell in enumerate(row))
    yield ""


def link(value: type) -> str:
    """A cross-reference by bare name."""
    return f":class:`~{home(value)}`"


class MakersTable(Written):
    """All Makers."""

    def lines(self) -> Iterator[str]:
        """One row for each Maker."""
        rows = []
        for maker in public_classes(ROOT, Maker):
            if inspect.isabstract(maker):
                continue
            role = getattr(maker, "role", None)
            make = inspect.unwrap(maker.make)
            returns = getattr(inspect.getmodule(make), make.__annotations__.get("return", ""), None)
            gives = link(returns) if inspect.isclass(returns) and issubclass(returns, Record) else "flow"
            rows.append((link(maker), "flow" if role is None else str(role.value), gives, first_sentence(maker)))
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


def list_fields(
    app: Sphinx, what: str, name: str, value: Any, options: Options, lines: list[str]
) -> None:  # the signature is Sphinx's
    """Add the fields of a record to its docstring, from their descriptions."""
    if not (what == "class" and inspect.isclass(value) and issubclass(value, Record)):
        return
    bases = [base for base in value.__mro__[1:] if not base.__name__.startswith("_")]
    inherited = [base for base in bases if getattr(base, "model_fields", None)]
    known = {field for base in inherited for field in base.model_fields}
    own = {field: info for field, info in value.model_fields.items() if field not in known}
    if own and not any(line == "Parameters" for line in lines):
        lines += ["", "Parameters", "----------"]
    for field, info in own.items():
        default = "" if info.default in (PydanticUndefined, None) else f", default ``{_short(info.default)}``"
        lines += [f"{field} : {restify(info.annotation, 'smart')}{default}", f"    {info.description or ''}", ""]
    if inherited and inherited[0] is not Record:
        lines += ["", f"All fields of {link(inherited[0])}, too.", ""]


def _short(value: Any) -> str:
    text = str(getattr(value, "value", value))
    return text if text and len(text) < 60 and "`" not in text and "\n" not in text else repr("") if not text else "…"


def hide_signature(
    app: Sphinx, what: str, name: str, value: Any, options: Options, signature: str, returns: str
) -> tuple[str, str] | None:
    """Leave the signature of records out: the list of fields says the same and more."""
    return ("", "") if what == "class" and issubclass(value, Record) else None


def skip_fields(app: Sphinx, what: str, name: str, value: Any, skip: bool, options: Options) -> bool | None:
    """Leave pydantic's own attributes out, and what a module imports."""
    return True if name.startswith("model_") or not str(getattr(value, "__module__", ROOT)).startswith(ROOT) else None


def find_home(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element) -> nodes.Element | None:
    """Resolve names that a package hands on from the module which defines them."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target.startswith(f"{ROOT}."):
        return None
    module, _, name = target.rpartition(".")
    try:
        value = getattr(importlib.import_module(module), name)
        defined = home(value)
    except (ImportError, AttributeError):
        return None
    if defined == target:
        return None
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", defined, node, content)


def find_gaps(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of Makers and records that have no entry."""
    known = env.get_domain("py").objects
    for value in [*public_classes(ROOT, Maker), *public_classes(ROOT, Record)]:
        if home(value) not in known and home(value) != f"{ROOT}.records.Record" and ".cli." not in home(value):
            logging.getLogger(__name__).warning("%s has no entry in the reference", home(value), type="reference")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register directives and events."""
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
    app.connect("autodoc-process-docstring", list_fields, priority=100)
    app.connect("autodoc-process-signature", hide_signature)
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("missing-reference", find_home)
    app.connect("env-check-consistency", find_gaps)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
