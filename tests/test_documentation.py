"""Every code block of README and pages runs, in order, one folder for each page; or says why not, and is checked.

A block after a line ``<!-- Not run by the tests: REASON -->``, which no reader sees, is not run. Its Python must then
compile, import what it imports, use no unknown name, and call what it calls with arguments that exist; its ``disolyte``
commands must exist, with the options given. Links between pages must lead somewhere.
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
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

import disolyte
from disolyte import units
from disolyte.cli import app
from disolyte.records import Record
from disolyte.systems import disordered_structure, get_system

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "tutorials").rglob("*.md"))]
TUTORIALS = sorted((ROOT / "tutorials").glob("[0-9]*.py"))
NOT_RUN = r"<!-- Not run by the tests: \S[^\n]* -->"
BLOCK = re.compile(
    rf"^(?:(?P<not_run> *{NOT_RUN})\n)? *(?P<fence>`{{3,}})(?P<language>python|bash)\n(?P<code>.*?)^ *(?P=fence)$",
    re.DOTALL | re.MULTILINE,
)
CODE = re.compile(r"^\s*[`:]{3,}\s*(?:\{code-block\}\s*)?(?:python|py|bash|sh|shell|console)\b", re.MULTILINE)
LINK = re.compile(r"\]\(<?(?P<target>[^)\s>]+)>?\)")


class Block(NamedTuple):
    """A fenced block: first line and text of its code, and whether it is to be run."""

    language: str
    line: int
    code: str
    is_run: bool

    def try_out(self, page, names):
        """Run it, or check it; ``names`` are those of the Python blocks before it."""
        if self.language == "bash":
            run_bash(self.code) if self.is_run else check_bash(self.code)
        elif self.is_run:
            exec(compile("\n" * (self.line - 1) + self.code, str(page), "exec"), names)
        else:
            check_python(self.code, names)


def blocks_of(page):
    """All blocks of a page."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(m["language"], text.count("\n", 0, m.start("code")) + 1, dedent(m["code"]), m["not_run"] is None)
        for m in BLOCK.finditer(text)
    ]


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


def problems_of(page):
    """Line and error of each block that does not do what a reader would take it to do."""
    names, problems = {"__name__": "__page__"}, []
    for block in blocks_of(page):
        try:
            block.try_out(page, names)
        except (Exception, SystemExit) as error:
            problems.append(f"{page.name}:{block.line}: {type(error).__name__}: {error}")
    return problems


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_blocks_run(page, folder, capsys):
    problems = problems_of(page)
    assert not problems, "\n".join(problems)
    if page.name == "README.md" and page.parent == ROOT:
        printed = capsys.readouterr().out
        assert re.search(r"^800 K: D [<=] \S+ cm²/s, σ [<=] \S+ S/cm, \w+$", printed, re.MULTILINE)
        assert "not for science" in printed


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("```python\nx = 1\nassert x == 2\n```", 2, "AssertionError"),
        ("```bash\ntrue\nfalse\n```", 2, "AssertionError"),
        ("<!-- Not run by the tests: why. -->\n```python\nunknown_name\n```", 3, "unknown names: {'unknown_name'}"),
        ("<!-- Not run by the tests: why. -->\n```python\nfrom disolyte import Nothing\n```", 3, "ImportError"),
        (
            "<!-- Not run by the tests: why. -->\n```python\nfrom disolyte import get_system\nget_system(no=1)\n```",
            3,
            "TypeError",
        ),
        ("<!-- Not run by the tests: why. -->\n```bash\ndisolyte fly\n```", 3, "No such command"),
        ("<!-- Not run by the tests: why. -->\n```bash\ndisolyte plan --fly\n```", 3, "--fly"),
    ],
)
def test_bad_blocks_are_found(text, line, problem, folder):
    """The test above can fail, whichever way a block is bad."""
    page = folder / "page.md"
    page.write_text(f"{text}\n", encoding="utf-8")
    (found,) = problems_of(page)
    assert found.startswith(f"page.md:{line}: ")
    assert problem in found


def anchors_of(page):
    """Anchors of the headings of a page, as GitHub and MyST name them."""
    headings = re.findall(r"^(?:# )?#{1,6} (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md", *TUTORIALS], ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    targets = [m["target"] for m in LINK.finditer(page.read_text(encoding="utf-8"))]
    for path, _, anchor in (target.partition("#") for target in targets if "://" not in target):
        linked = page.parent / path if path else page
        assert linked.exists(), path
        assert not anchor or anchor in anchors_of(linked), f"{path}#{anchor}"


def test_torch_is_bounded_as_the_package_bounds_it():
    """Who installs the CPU build first gets one that the extras then leave alone."""
    (bound,) = set(re.findall(r"(?<=\")torch>=[\d.]+,<[\d.]+", (ROOT / "pyproject.toml").read_text(encoding="utf-8")))
    for page in (ROOT / "README.md", ROOT / "tutorials" / "index.md"):
        assert f'install "{bound}" --index-url https://download.pytorch.org/whl/cpu' in page.read_text(encoding="utf-8")


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
