"""Print the documents behind one as a tree."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from disolyte.cli.messages import readable_errors
from disolyte.cli.session import read_campaign
from disolyte.results.query import Results
from disolyte.results.tracing import TraceNode, trace_document


def show_trace(folder: Path, uuid: str, *, as_json: bool) -> None:
    """Print what a document rests on, as a tree or as JSON."""
    with readable_errors(), read_campaign(folder) as campaign:
        node = trace_document(Results(campaign.job_store(), campaign.name), uuid)
        if as_json:
            typer.echo(node.model_dump_json(indent=2))
            return
        Console().print(_tree(node), highlight=False)
        versions = dict(sorted({item for step in node.walk() for item in step.versions.items()}))
        typer.echo("made with " + ", ".join(f"{package} {version}" for package, version in versions.items()))
        for caveat in node.caveats:
            typer.echo(f"! {caveat}")


def _tree(node: TraceNode, above: Tree | None = None) -> Tree:
    about = [escape(node.uuid), *([] if node.seed is None else [f"seed {node.seed}"])]
    about += [f"{label} {escape(value[:12])}…" for label, value in node.hashes.items()]
    lines = [" · ".join([f"[bold]{escape(node.kind)}[/bold]", *(escape(name) for name in node.names.values())])]
    if node.is_repeated:
        lines[0] += " [dim](shown above)[/dim]"
    elif node.made_at:
        lines += [", ".join(about), f"[dim]{escape(node.job or '')}, {node.made_at} UTC[/dim]"]
        lines.append(f"[dim]{escape(node.folder or '')}[/dim]")
    text = "\n".join(lines)
    branch = Tree(text) if above is None else above.add(text)
    for child in node.inputs:
        _tree(child, branch)
    return branch
