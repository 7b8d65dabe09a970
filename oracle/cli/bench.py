"""How fast it is, on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from oracle.cli.options import ComputeOption, DeviceOption, JsonOption, answer, show

app = typer.Typer(no_args_is_help=True, help="How fast it is, on this machine.")


@app.command("pipeline")
def bench_pipeline(
    sizes: Annotated[str, typer.Option(help="Answers of each run of the whole pipeline.")] = "1000,10000,100000",
    rounds: Annotated[int, typer.Option(min=1, help="Of 2,000 answers to one member.")] = 11,
    as_json: JsonOption = False,
) -> None:
    """Measure how many answers one member accepts in a second, and the whole pipeline by stage as it grows."""
    from oracle.bench import pipeline

    show(pipeline.pipeline(pipeline.read_sizes(sizes), rounds), as_json, pipeline.text)


@app.command("api")
def bench_api(
    seconds: Annotated[int, typer.Option(min=2, max=600, help="Of each load.")] = 60,
    as_json: JsonOption = False,
) -> None:
    """The API under an open-loop load: reads with proof, answers, listeners; and what is left after kill -9."""
    from oracle.bench import api

    document = api.api(seconds)
    answer(document, as_json, api.text, document["ok"])


@app.command("attack")
def bench_attack(
    data: Annotated[Path, typer.Option(help="Folder of recorded crowds: SET/labels.csv and SET/truth.csv.")],
    seeds: Annotated[int, typer.Option(min=1, help="Attacks of each kind on each set.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Attack recorded crowds: rings, spam, disguise; what is decided, what is noticed, what the defence costs."""
    from oracle.bench import attack

    show(attack.attack(data, seeds), as_json, attack.text)


@app.command("machines")
def bench_machines(
    data: Annotated[Path, typer.Option(help="A set: labels.csv with answers of people and of models.")],
    prefix: Annotated[str, typer.Option(help="With which the names of models begin.")] = "llm_",
    seeds: Annotated[int, typer.Option(min=1, help="Draws of the people who are heard.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """What models beside people are worth, heard as one voice or each as its own."""
    from oracle.bench import machines

    show(machines.machines(data, prefix, seeds), as_json, machines.text)


@app.command("seal")
def bench_seal(
    rounds: Annotated[int, typer.Option(min=1, help="Of each operation.")] = 200,
    as_json: JsonOption = False,
) -> None:
    """What either seal of an answer costs, in bytes and time, by the size of the committee."""
    from oracle.bench import seal

    show(seal.seals(rounds), as_json, seal.text)


@app.command("gas")
def bench_gas(as_json: JsonOption = False) -> None:
    """Measure what each transaction costs, whole, on a local chain: jobs, epochs, claims, and whole jobs by the answer."""
    from oracle.bench import gas

    show(gas.gas(), as_json, gas.text)


@app.command("truth")
def bench_truth(
    data: Annotated[Path, typer.Option(help="A folder for each set: labels.csv[.gz], truth.csv.")],
    sets: Annotated[str, typer.Option(help="Only these, between commas.")] = "",
    half: Annotated[bool, typer.Option(help="Also with half of each set's answers hidden.")] = True,
    constants: Annotated[
        bool, typer.Option("--constants", help="Instead: the engine's, chosen without each set.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Score our verdicts beside the vote and crowd-kit on recorded crowds: accuracy, log-loss, calibration."""
    from oracle.bench import constants as choosing
    from oracle.bench import truth

    names = [name.strip() for name in sets.split(",") if name.strip()]
    if constants:
        show(choosing.constants(data, names), as_json, choosing.text)
        return
    show(truth.truth(data, names, half), as_json, truth.text)


@app.command("truth-speed")
def bench_truth_speed(
    sizes: Annotated[str, typer.Option(help="Answers of the made crowds.")] = "1e5,1e6,1e7",
    as_json: JsonOption = False,
) -> None:
    """Time our inference beside crowd-kit's on made crowds: CPU seconds, growth, memory, whole processes."""
    from oracle.bench import truth_speed

    show(truth_speed.truth_speed(truth_speed.read_sizes(sizes)), as_json, truth_speed.text)


@app.command("compute")
def bench_compute(
    sizes: Annotated[str, typer.Option(help="Answers of the made crowds, edges of the made markets.")] = "1e4,1e5,1e6",
    rounds: Annotated[int, typer.Option(min=1, help="Of each, one process and workers by turns.")] = 5,
    compute: ComputeOption = "ray",
    as_json: JsonOption = False,
) -> None:
    """Time inference and matching by workers beside one process, and compare the bits: start-up, calls, from where it pays."""
    from oracle.bench import compute as computing
    from oracle.bench.truth_speed import read_sizes

    document = computing.compute(read_sizes(sizes), rounds, compute)
    answer(document, as_json, computing.text, document["equal"])


@app.command("device")
def bench_device(
    sizes: Annotated[str, typer.Option(help="Answers of the made crowds, edges of the made markets.")] = "1e5,1e6,1e7",
    rounds: Annotated[int, typer.Option(min=1, help="Of each, processor and device by turns.")] = 5,
    name: DeviceOption = "cuda",
    as_json: JsonOption = False,
) -> None:
    """Time inference and matching on a device beside this processor, and compare their results."""
    from oracle.bench import device
    from oracle.bench.truth_speed import read_sizes

    show(device.device(read_sizes(sizes), rounds, name), as_json, device.text)


@app.command("match")
def bench_match(
    full: Annotated[bool, typer.Option("--full", help="Five seeds at 1e5 tasks, and 1e6: minutes, 4 GB.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure matching: beside OR-tools, repairs, the checker, fairness with its price, baselines."""
    from oracle.bench import match

    show(match.match(full), as_json, match.text)


@app.command("types")
def bench_types(
    data: Annotated[Path, typer.Option(help="Folder of sets: NAME/labels.csv, NAME/truth.csv, NAME/SOURCE.md.")],
    as_json: JsonOption = False,
) -> None:
    """Compare what numbers and texts are inferred with plain baselines, on every such set of a folder."""
    from oracle.bench import types

    show(types.types(data), as_json, types.text_of)


@app.command("content")
def bench_content(
    data: Annotated[Path, typer.Option(help="Folder of the public crowds.")],
    images: Annotated[Path | None, typer.Option(help="Folder of honest images [drawn scenes].")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the checks of content: false alarms on honest answers, and what they find of planted ones."""
    from oracle.bench import content

    show(content.content(data, images), as_json, content.text)


@app.command("schedule")
def bench_schedule(
    tasks: Annotated[int, typer.Option(min=2, help="Of the jobs that are also planned.")] = 30,
    people: Annotated[int, typer.Option(min=4, help="Who work on them.")] = 7,
    seeds: Annotated[int, typer.Option(min=1, help="Jobs to draw.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.1, help="For which CP-SAT may look for a plan.")] = 20.0,
    as_json: JsonOption = False,
) -> None:
    """Makespan and idle time of jobs with an order beside the bounds: rolling horizon, plan, genetic, ants, forgetful people."""
    from oracle.bench import schedule

    show(schedule.run(tasks, people, seeds, seconds), as_json, schedule.text)


@app.command("learn")
def bench_learn(
    data: Annotated[Path, typer.Option(help="Folder of the public crowds.")],
    sets: Annotated[str, typer.Option(help="Which of them.")] = "amazon_isbook,product,rte,dog,web",
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps the vectors of texts.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the learned prior: accuracy and log-loss of record with and without it, and whether it ships."""
    from oracle.bench import learn

    show(learn.learned(data, sets.split(","), cache), as_json, learn.text)


@app.command("replay")
def bench_replay(
    data: Annotated[Path, typer.Option(help="Folder of recorded crowds: SET/labels.csv and SET/truth.csv.")],
    sets: Annotated[str, typer.Option(help="Which of them.")] = "bluebird,temp,rte",
    seeds: Annotated[int, typer.Option(min=2, help="Orders of arrival.")] = 30,
    as_json: JsonOption = False,
) -> None:
    """Compare policies of adaptive assignment on recorded crowds: answers bought until good enough; controls."""
    from oracle.bench import replay as replaying

    show(replaying.replays(data, sets.split(","), seeds), as_json, replaying.text)


@app.command("stop")
def bench_stop(
    data: Annotated[Path, typer.Option(help="Folder of recorded crowds: SET/labels.csv and SET/truth.csv.")],
    sets: Annotated[str, typer.Option(help="Which of them.")] = "bluebird,temp,rte,dog,web,face_sentiment",
    seeds: Annotated[int, typer.Option(min=1, help="Orders of asking.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Measure what early stop saves on recorded crowds, and what it costs in accuracy."""
    from oracle.bench import stopping

    show(stopping.stops(data, sets.split(","), seeds), as_json, stopping.text)


@app.command("predict")
def bench_predict(
    data: Annotated[Path, typer.Option(help="Folder of recorded crowds: SET/labels.csv and SET/truth.csv.")],
    sets: Annotated[str, typer.Option(help="Which of them.")] = "bluebird,temp,rte,dog,web,face_sentiment",
    seeds: Annotated[int, typer.Option(min=1, help="Ways to fold the answers.")] = 3,
    as_json: JsonOption = False,
) -> None:
    """Score predictions of whether a worker answers a task right, on held-out answers, beside the usual models."""
    from oracle.bench import predict

    show(predict.predictions(data, sets.split(","), seeds), as_json, predict.text)


@app.command("privacy")
def bench_privacy(
    sentences: Annotated[int, typer.Option(min=20, help="To make; records and decoys come on top.")] = 3_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the data that is planted.")] = 1,
    development: Annotated[
        bool, typer.Option("--development", help="The sentences that the rules were mended on.")
    ] = False,
    beside: Annotated[bool, typer.Option("--presidio", help="Instead: beside presidio-analyzer, in English.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure what personal data is found in made sentences and records, English and Chinese, and what is taken for it."""
    from oracle.bench import presidio, privacy

    if beside:
        show(presidio.compared(sentences, seed), as_json, presidio.text)
        return
    document = privacy.privacy(sentences, seed, development)
    answer(document, as_json, privacy.text, document["ok"])


@app.command("release")
def bench_release(
    runs: Annotated[int, typer.Option(min=1_000, help="Releases of each mechanism on each of two inputs.")] = 10_000,
    racers: Annotated[int, typer.Option(min=1, max=200, help="That ask at once.")] = 32,
    as_json: JsonOption = False,
) -> None:
    """Attack the private releases: a lower bound of what they reveal, their error, and a race for the budget."""
    from oracle.bench import release

    document = release.audited(runs, racers)
    answer(document, as_json, release.text, document["ok"])


@app.command("federated")
def bench_federated(
    data: Annotated[Path, typer.Option(help="Folder of recorded crowds: SET/labels.csv, truth.csv and tasks.csv.")],
    sets: Annotated[str, typer.Option(help="Which of them.")] = "amazon_isbook,product",
    owners: Annotated[int, typer.Option(help="Among whom the workers are dealt out, unevenly.")] = 10,
    splits: Annotated[int, typer.Option(min=1, help="Ways to hold tasks out.")] = 6,
    shadows: Annotated[int, typer.Option(min=4, help="Models for the attack on membership.")] = 8,
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps the vectors of texts.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure federated learning: AUC beside pooled data and owners alone, privacy under attack, and poisoned owners."""
    from oracle.bench import federated

    document = federated.federated(data, sets.split(","), owners, splits, shadows - shadows % 2, cache)
    answer(document, as_json, federated.text, document["ok"])


@app.command("models")
def bench_models(
    tasks: Annotated[int, typer.Option(min=100, help="Held-out tasks of a world; half as many new ones.")] = 600,
    seeds: Annotated[int, typer.Option(min=10, help="Worlds of each kind.")] = 1_000,
    as_json: JsonOption = False,
) -> None:
    """Measure how often a model is promoted that is no better, and how often drift alarms, with and without."""
    from oracle.bench import registry

    document = registry.rules(tasks, seeds)
    answer(document, as_json, registry.text, document["ok"])
