"""What autodoc is told: fields of records from their descriptions, names from where they are defined, gaps."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from docutils import nodes
from inventory import ROOT, home, link, public_classes
from jobflow import Maker
from pydantic_core import PydanticUndefined
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.autodoc import Options
from sphinx.util import logging
from sphinx.util.typing import restify

from disolyte.records import Record


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
    """Register events."""
    app.connect("autodoc-process-docstring", list_fields, priority=100)
    app.connect("autodoc-process-signature", hide_signature)
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("missing-reference", find_home)
    app.connect("env-check-consistency", find_gaps)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
