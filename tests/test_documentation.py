"""Every code block of README and pages runs, in order, one folder for each page; or says why not, and is checked.

A block whose first line is ``# Not run by the tests: REASON`` is not run. Its Python must then compile, import what it
imports, use no unknown name, and call what it calls with arguments that exist; its ``disolyte`` commands must exist,
with the options given.
"""

import ast
import builtins
import importlib
import inspect
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from typer.testing import CliRunner

import disolyte
from disolyte import units
from disolyte.cli import app
from disolyte.records import Record
from disolyte.systems import disordered_structure, get_system

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "tutorials").rglob("*.md"))]
BLOCK = re.compile(
    r"^ *(?P<fence>`{3,})(?P<language>python|bash)\n(?P<code>.*?)^ *(?P=fence)$", re.DOTALL | re.MULTILINE
)
CODE = re.compile(r"^\s*[`:]{3,}\s*(?:\{code-block\}\s*)?(?:python|py|bash|sh|shell|console)\b", re.MULTILINE)
NOT_RUN = "# Not run by the tests: "


def blocks_of(page):
    """Language, first line and code of each block."""
    text = page.read_text(encoding="utf-8")
    found = BLOCK.finditer(text)
    return [(m["language"], text.count("\n", 0, m.start()) + 2, dedent(m["code"])) for m in found]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where a page is read: with a disordered structure and a system of the reader's own."""
    system = get_system("liybc")
    disordered_structure(system, system.point("Li3In0.5Y0.5Br3Cl3")).to(tmp_path / "mine.cif")
    system.restricted_to(["Li3InCl6", "Li3InBr6", "Li3YBr6"]).to_yaml(tmp_path / "mine.yaml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_bash(code):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "-euo", "pipefail", "-c", code]
    result = subprocess.run(command, check=False, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert result.returncode == 0, f"{code}\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}"


def check_bash(code):
    """The shell can parse it, and ``disolyte`` has the commands and options."""
    subprocess.run(["bash", "-n", "-c", code], check=True)
    for line in code.replace("\\\n", " ").splitlines():
        for command in re.split(r"&&|\|\||[|;]", line):
            words = shlex.split(command, comments=True)
            if words and Path(words[0]).name == "disolyte":
                result = CliRunner().invoke(app, [*words[1:], "--help"])
                assert result.exit_code == 0, f"{command}\n{result.output}"


def check_python(code, names):
    """Imports work, names are known, calls bind; ``names`` grows by what the block would define."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            try:
                exec(compile(ast.Module([node], []), "<import>", "exec"), names)
            except ModuleNotFoundError as error:
                if str(error.name).startswith("disolyte"):  # another package may not be installed here
                    raise
                names.update({alias.asname or alias.name: None for alias in node.names})
    stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    defined = {n.name for n in ast.walk(tree) if isinstance(n, ast.ClassDef | ast.FunctionDef)}
    arguments = {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
    known = {*names, *stored, *defined, *arguments, *dir(builtins)}
    unknown = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} - known
    assert not unknown, f"unknown names: {unknown}"
    for call in [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]:
        called = names.get(call.func.id)
        if called is not None and not any(isinstance(a, ast.Starred) for a in call.args):
            given = {keyword.arg: None for keyword in call.keywords if keyword.arg}
            inspect.signature(called).bind(*call.args, **given)
    names.update(dict.fromkeys(stored | defined))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_blocks_run(page, folder):
    names = {"__name__": "__page__"}
    for language, line, code in blocks_of(page):
        if code.startswith(NOT_RUN):
            check_bash(code) if language == "bash" else check_python(code, names)
        elif language == "bash":
            run_bash(code)
        else:
            exec(compile("\n" * (line - 1) + code, str(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_code_block_hides(page):
    """Every fenced block with a language that could run is of a kind that the test above sees."""
    assert len(CODE.findall(page.read_text(encoding="utf-8"))) == len(blocks_of(page))


def test_every_field_ends_in_a_unit_of_the_table():
    """What looks like a unit at the end of a field is one of those in the table of ``disolyte.units``."""
    table = {suffix for row in re.findall(r"``_.*``", units.__doc__) for suffix in re.findall(r"``_(\w+)``", row)}
    tokens = {token for suffix in table for token in suffix.split("_")} - {"atom", "fu"}
    for record in records():
        for field in record.model_fields:
            words = field.split("_")
            first = len(words)
            while first > 1 and words[first - 1] in {*tokens, "atom", "fu"}:
                first -= 1
            if tokens.intersection(words[first:]) - {"per"}:
                assert "_".join(words[first:]) in table, f"{record.__name__}.{field}"


def records():
    """Every record of the package, once its modules are loaded."""
    for info in pkgutil.walk_packages(disolyte.__path__, "disolyte."):
        if not info.name.endswith("__main__"):
            importlib.import_module(info.name)
    found = [Record]
    for record in found:
        found += [child for child in record.__subclasses__() if child.__module__.startswith("disolyte.")]
    return found
