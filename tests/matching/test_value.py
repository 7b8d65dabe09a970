import numpy as np
import pytest

from oracle.matching.value import is_sure, prior_confusion, stop_level, value
from oracle.protocol.errors import BadInput

RNG = np.random.default_rng(3)


def _chances(*shape):
    found = RNG.random(shape) + 0.01
    return found / found.sum(-1, keepdims=True)


def _naive(posterior, confusion, measure):
    """By Bayes' rule for each label: expected fall of the entropy, or expected rise of the largest chance."""

    def entropy(p):
        return -sum(x * np.log(x) for x in p if x > 0)

    of = (lambda p: -entropy(p)) if measure == "information" else max
    gain = -of(posterior)
    for label in range(len(posterior)):
        joint = posterior * confusion[:, label]
        gain += joint.sum() * of(joint / joint.sum())
    return gain


@pytest.mark.parametrize("measure", ["information", "accuracy"])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_value__any_pair__is_the_expected_gain(measure, classes):
    posterior, confusion = _chances(6, classes), _chances(4, classes, classes)
    worker, task = np.divmod(np.arange(24), 6)
    found = value(posterior, confusion, worker, task, measure=measure)
    expected = [_naive(posterior[t], confusion[w], measure) for w, t in zip(worker, task, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("measure", ["information", "accuracy"])
def test_value__nothing_to_learn__is_zero(measure):
    posterior = np.array([[1.0, 0.0], [0.5, 0.5]])
    confusion = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.5, 0.5], [0.5, 0.5]]])
    np.testing.assert_allclose(value(posterior, confusion, [0, 1], [0, 1], measure=measure), 0, atol=1e-15)


def test_value__money_and_time__divide_it():
    posterior, confusion = _chances(1, 2), _chances(1, 2, 2)
    plain = value(posterior, confusion, [0, 0], [0, 0])
    costly = value(posterior, confusion, [0, 0], [0, 0], price=[2.0, 2.0], minutes=[0.0, 4.0], minute_price=0.5)
    np.testing.assert_allclose(plain / costly, [2.0, 4.0])


def test_is_sure__confidence_and_people__both_needed():
    posterior = np.array([[0.99, 0.01], [0.99, 0.01], [0.6, 0.4]])
    assert is_sure(posterior, [2, 1, 9]).tolist() == [True, False, False]


def test_stop_level__overconfident__rises_until_right_often_enough():
    confidence = np.repeat([0.9, 0.95, 0.99], 200)
    right = np.concatenate([np.arange(200) < 140, np.arange(200) < 170, np.arange(200) < 199])
    assert stop_level(confidence, right, wanted=0.95) == 0.99
    assert stop_level(confidence, np.ones(600, bool), wanted=0.95) == 0.9


def test_stop_level__too_little_known__never_stops():
    assert stop_level([0.999], [True], wanted=0.95) > 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"posterior": [[0.5, np.nan]]}, r"posterior\[0\]"),
        ({"posterior": [[0.7, 0.7]]}, r"posterior\[0\].*sum to 1"),
        ({"confusion": [[[1.2, -0.2], [0.0, 1.0]]]}, r"confusion\[0, 0\]"),
        ({"confusion": np.ones((1, 3, 3)) / 3}, "2 x 2"),
        ({"worker": [1]}, r"worker\[0\] = 1"),
        ({"task": [-1]}, r"task\[0\] = -1"),
        ({"task": [0, 0]}, "one each"),
        ({"price": 0}, "pair 0: costs 0"),
        ({"price": np.inf}, "pair 0: costs inf"),
        ({"measure": "luck"}, "luck"),
    ],
)
def test_value__bad_input__is_refused_with_its_place(change, words):
    good = {"posterior": [[0.5, 0.5]], "confusion": [prior_confusion(2)], "worker": [0], "task": [0]}
    with pytest.raises(BadInput, match=words):
        value(**{**good, **change})
