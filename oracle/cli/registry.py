"""Models of record: which there are, which is in use."""

from pathlib import Path
from typing import Annotated

import typer

from oracle.cli.options import HomeOption, JsonOption, answer, show

app = typer.Typer(
    no_args_is_help=True, help="Models of record: measured, promoted only when better, rolled back, watched."
)
FolderOption = Annotated[Path | None, typer.Option("--registry", help="Folder of the registry [HOME/models].")]
NameArgument = Annotated[str, typer.Argument(help="Name of a model in the registry.")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What it is called from now on.")],
    held_out: Annotated[Path, typer.Option(help="CSV task,fold,label[,group] that the model was not trained on.")],
    about: Annotated[Path, typer.Option(help='JSON: {"intended_use", "limits"}; of files "method", "data" too.')],
    federation: Annotated[Path | None, typer.Option(help="Home of a federation whose model it is.")] = None,
    texts: Annotated[Path | None, typer.Option(help="With it: CSV task,text of the held-out tasks.")] = None,
    model: Annotated[Path | None, typer.Option(help="Or the model's file.")] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="With it: CSV task,p:<class>... of the held-out tasks.")
    ] = None,
    data: Annotated[
        list[Path] | None, typer.Option(help="With it: what it was trained on; its digest is kept.")
    ] = None,
    registry: FolderOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a model on held-out tasks and write its record, which never changes."""
    from oracle.commands import modelling

    source = modelling.Source(federation, texts, model, predictions, tuple(data or ()))
    found = modelling.add(modelling.registry(home, registry), name, held_out, about, source)
    show(found, as_json, modelling.added_text)


@app.command("list")
def list_models(
    since: Annotated[str, typer.Option(help="A head that was noted earlier: exit 1 if it is not in the log.")] = "",
    registry: FolderOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """All models, which is in use, and the log; exit 1 if the registry is damaged or its past was changed."""
    from oracle.commands import modelling

    found = modelling.listed(modelling.registry(home, registry), since)
    answer(found, as_json, modelling.list_text, found["ok"])


@app.command("show")
def show_model(
    name: NameArgument, registry: FolderOption = None, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """A model's card."""
    from oracle.commands import modelling

    show(modelling.shown(modelling.registry(home, registry), name), as_json, lambda d: str(d["card"]).rstrip())


@app.command()
def promote(
    name: NameArgument,
    baseline: Annotated[
        Path | None, typer.Option(help="For the first model: predictions that it must beat, as of infer --proba.")
    ] = None,
    margin: Annotated[float, typer.Option(help="By which the gap of accuracy between groups may grow.")] = 0.02,
    registry: FolderOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a model in use if it is better than the one in use on the same held-out tasks; else exit 1 with the figures."""
    from oracle.commands import modelling

    found = modelling.promote(modelling.registry(home, registry), name, baseline, margin)
    answer(found, as_json, modelling.promoted_text, found["promoted"])


@app.command()
def rollback(
    name: NameArgument,
    why: Annotated[str, typer.Option(help="Goes into the log.")] = "",
    registry: FolderOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a model in use again that was promoted before."""
    from oracle.commands import modelling

    show(modelling.roll_back(modelling.registry(home, registry), name, why), as_json, modelling.rollback_text)


@app.command()
def predict(
    texts: Annotated[Path, typer.Option(help="CSV task,text.")],
    out: Annotated[Path, typer.Option(help="task,label,confidence,p:<class>..., which check reads.")],
    registry: FolderOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What the model in use says of texts, if it is one that a federation learned."""
    from oracle.commands import modelling

    found = modelling.predict(modelling.registry(home, registry), texts, out)
    show(found, as_json, lambda d: f"  {d['name']} on {d['tasks']} tasks -> {d['out']}")


@app.command()
def check(
    predictions: Annotated[Path, typer.Option(help="CSV task,p:<class>... of the model in use on new tasks.")],
    labels: Annotated[Path | None, typer.Option(help="CSV task,label: new gold of some of them.")] = None,
    registry: FolderOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the model in use with itself at its promotion; exit 1 with the reason if it drifts."""
    from oracle.commands import modelling

    found = modelling.check(modelling.registry(home, registry), predictions, labels)
    answer(found, as_json, modelling.check_text, not found["drifts"])
