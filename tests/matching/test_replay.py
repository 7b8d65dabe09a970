"""Replays of made crowds: the kernels against naive references, and what each policy buys."""

import numpy as np
import pytest
from scipy.special import digamma

from oracle.bench.replay import workers_shuffled
from oracle.commands import replaying
from oracle.matching import adaptive, blend, predict, value
from oracle.matching.replay import POLICIES, UnknownPolicy, all_answers, looks, recording, replay
from oracle.protocol.errors import BadInput

TASKS, WORKERS = 60, 16


def _crowd(spammers: int = 8, seed: int = 0):
    """60 tasks, each answered by all of 16 workers: spammers guess, the others are right nine times in ten."""
    luck = np.random.default_rng(seed)
    truth = luck.integers(0, 2, TASKS)
    task, worker = (x.ravel() for x in np.meshgrid(np.arange(TASKS), np.arange(WORKERS), indexing="ij"))
    chance = np.where(worker < spammers, 0.5, 0.9)
    label = np.where(luck.random(len(task)) < chance, truth[task], 1 - truth[task])
    return task, worker, label, truth.astype(np.int32)


def _recorded(**options):
    task, worker, label, truth = _crowd(**options)
    return recording(task, worker, label, TASKS, WORKERS, 2), truth


def test_aggregate__small_crowd__agrees_with_variational_bayes_in_numpy():
    task, worker, label, _ = _crowd()
    luck = np.random.default_rng(1)
    some = luck.random(len(task)) < 0.3
    of = recording(task[some], worker[some], label[some], TASKS, WORKERS, 2)
    belief = adaptive.believe_nothing(TASKS, WORKERS, 2)
    adaptive.aggregate(of, np.arange(some.sum()), belief)

    posterior = np.full((TASKS, 2), 0.5)
    np.add.at(posterior, (of.task, of.label), 1.0)
    posterior /= posterior.sum(1, keepdims=True)
    for _ in range(adaptive.ITERATIONS):
        counts = np.zeros((WORKERS, 2, 2))
        for t, w, said in zip(of.task, of.worker, of.label, strict=True):
            counts[w, :, said] += posterior[t]
        pooled = counts.sum(0)
        right = (np.trace(pooled) + 1.4) / (pooled.sum() + 2.0)
        coin = np.array([[right, 1 - right], [1 - right, right]])
        shape = 8.0 * (pooled + 4.0 * coin) / (pooled.sum(1, keepdims=True) + 4.0)
        logs = digamma(counts + shape) - digamma((counts + shape).sum(2, keepdims=True))
        score = np.zeros((TASKS, 2))
        for t, w, said in zip(of.task, of.worker, of.label, strict=True):
            score[t] += logs[w, :, said]
        now = np.exp(score - score.max(1, keepdims=True))
        now /= now.sum(1, keepdims=True)
        change, posterior = np.abs(now - posterior).max(), now
        if change < adaptive.SETTLED:
            break
    np.testing.assert_allclose(belief.posterior, posterior, atol=1e-7)


def test_absorb__one_answer__is_bayes_rule_and_moves_the_counts():
    of, _ = _recorded()
    belief = adaptive.believe_nothing(TASKS, WORKERS, 2)
    theta = np.empty((2, 2))
    adaptive.absorb(of, 0, np.empty(0, np.int64), belief, theta)
    adaptive.absorb(of, 1, np.array([0]), belief, theta)
    np.testing.assert_allclose(belief.posterior[0].sum(), 1)
    np.testing.assert_allclose(belief.joint[0].sum(), 1)
    for answer in (0, 1):
        np.testing.assert_allclose(belief.counts[of.worker[answer], :, of.label[answer]], belief.posterior[0])


def test_information__any_pair__agrees_with_the_plain_one():
    luck = np.random.default_rng(2)
    for classes in (2, 4):
        posterior = luck.dirichlet(np.ones(classes))
        theta = luck.dirichlet(np.ones(classes), classes)
        plain = value.information(posterior[None], theta[None])[0]
        np.testing.assert_allclose(adaptive.information(posterior, theta), plain, atol=1e-12)
        easy = np.stack([posterior, np.zeros(classes)])
        np.testing.assert_allclose(adaptive.information_if_easy(easy, theta), plain, atol=1e-12)
        assert adaptive.information_if_easy(easy[::-1].copy(), theta) < plain / 2  # hard: less is heard


@pytest.mark.parametrize("mode", ["arrival", "pool"])
@pytest.mark.parametrize("policy", POLICIES)
def test_replay__all_answers_bought__ends_where_all_answers_do(policy, mode):
    of, _ = _recorded()
    found = replay(of, 2, policy, mode=mode, seeds=1)
    assert found.asked[-1] == len(of.task)
    np.testing.assert_array_equal(found.verdicts[0, -1], all_answers(of, 2).verdicts[0, 0])


def test_all_answers__good_workers__are_judged_right():
    of, truth = _recorded(spammers=0)
    assert (all_answers(of, 2).verdicts[0, 0] == truth).mean() > 0.95


def test_replay__same_seed__same_verdicts():
    of, _ = _recorded()
    first, again = (replay(of, 2, "ours", seeds=2, first=5) for _ in range(2))
    np.testing.assert_array_equal(first.verdicts, again.verdicts)
    assert (first.verdicts[0] != first.verdicts[1]).any()


def test_replay__half_are_spammers__ours_buys_half_of_what_random_buys():
    of, truth = _recorded()
    each = looks(TASKS, len(of.task)) / TASKS
    full = replaying.scored(all_answers(of, 2), truth)[0, -1]
    bought = {
        policy: replaying.to_target(each, replaying.scored(replay(of, 2, policy, seeds=8), truth), full - 0.005)
        for policy in ("random", "ours")
    }
    assert bought["ours"]["reached"]
    assert bought["ours"]["answers_to_target"] < 0.5 * bought["random"]["answers_to_target"]


def test_replay__workers_shuffled__letting_go_wins_nothing():
    of, truth = _recorded()
    shuffled = workers_shuffled(of, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(shuffled.label + 2 * of.task), np.sort(of.label + 2 * of.task))
    last = [
        replaying.scored(replay(shuffled, 2, policy, mode="pool", budget=3 * TASKS, seeds=12), truth)[:, -1].mean()
        for policy in ("ours", "ours_blind")
    ]
    assert last[0] - last[1] < 0.02


def test_looks__many_answers_a_task__at_most_two_hundred_and_the_last():
    assert looks(1_000, 3_000).tolist() == list(range(100, 3_001, 100))
    assert len(looks(10, 40_000)) <= 200 and looks(10, 40_000)[-1] == 40_000
    assert looks(3, 1).tolist() == [1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"policy": "luck"}, "policy luck: it is one of random"),
        ({"mode": "dream"}, "mode dream"),
        ({"budget": 0}, "budget 0"),
        ({"seeds": 0}, "0 seeds"),
    ],
)
def test_replay__bad_wishes__are_refused(change, words):
    of, _ = _recorded()
    with pytest.raises(BadInput, match=words):
        replay(of, 2, **{"policy": "random", **change})
    assert issubclass(UnknownPolicy, BadInput)


def test_recording__one_class_or_a_pair_twice__is_refused():
    with pytest.raises(BadInput, match="one label"):
        recording([0], [0], [0], 1, 1, 1)
    with pytest.raises(BadInput, match="twice"):
        recording([0, 0], [0, 0], [0, 1], 1, 1, 2)


# ---------------------------------------------------------------------- the command


def _files(folder, truth, label):
    task, worker, _, _ = _crowd()
    rows = "".join(f"t{t},w{w},{said}\n" for t, w, said in zip(task, worker, label, strict=True))
    (folder / "labels.csv").write_text("task,worker,label\n" + rows)
    (folder / "truth.csv").write_text("task,label\n" + "".join(f"t{t},{c}\n" for t, c in enumerate(truth)))
    return folder / "labels.csv", folder / "truth.csv"


def test_command__other_gold__changes_the_scores_and_nothing_that_is_asked(tmp_path):
    _, _, label, truth = _crowd()
    found = replaying.replay(*_files(tmp_path, truth, label), "ours", "arrival", 200, 2)
    other = replaying.replay(*_files(tmp_path, 1 - truth, label), "ours", "arrival", 200, 2)
    assert found["curve"][-1]["answers_per_task"] == pytest.approx(200 / TASKS)
    assert not other["reached"] or other["full_accuracy"] < 0.5
    for here, there in zip(found["curve"], other["curve"], strict=True):
        assert here["accuracy"] + there["accuracy"] == pytest.approx(1)
        assert here["low"] <= here["accuracy"] <= here["high"]


def test_command__gold_of_other_tasks__is_refused(tmp_path):
    _, _, label, truth = _crowd()
    labels, gold = _files(tmp_path, truth, label)
    gold.write_text("task,label\nelsewhere,1\n")
    with pytest.raises(BadInput, match="knows no task"):
        replaying.replay(labels, gold, "ours", "arrival", None, 1)


# ---------------------------------------------------------------------- pairs


def test_told_by_others__any_answer__is_the_posterior_without_it():
    task, worker, label, _ = _crowd()
    some = np.random.default_rng(4).random(len(task)) < 0.3
    seen = task[some], worker[some], label[some]
    of = predict.fit(*seen, TASKS, WORKERS, 2)
    told = predict.told_by_others(of, *seen)
    share = np.array(adaptive.HEARD)
    for n in (0, 7, 50):
        logs = np.zeros((2, 2))
        for t, w, said in zip(*(column[np.arange(some.sum()) != n] for column in seen), strict=True):
            if t == seen[0][n]:
                logs += np.log(share[:, None] * of.confusion[w, :, said] + (1 - share[:, None]) / 2)
        ease = _ease(of, seen)
        joint = ease[:, None] * np.exp(logs)
        assert told[n] == pytest.approx(joint[:, seen[2][n]].sum() / joint.sum(), abs=1e-9)


def _ease(of, seen):
    """The shares of easy and hard tasks, from what any task's joint and its likelihood say."""
    share = np.array(adaptive.HEARD)
    logs = np.zeros((2, 2))
    for t, w, said in zip(*seen, strict=True):
        if t == 0:
            logs += np.log(share[:, None] * of.confusion[w, :, said] + (1 - share[:, None]) / 2)
    ratio = (of.joint[0] / np.exp(logs)).sum(1)
    return ratio / ratio.sum()


def test_right__cold_worker_and_cold_task__is_what_the_crowd_is():
    task, worker, label, truth = _crowd(spammers=0)
    of = predict.fit(task, worker, label, TASKS + 1, WORKERS + 1, 2)
    often = (label == truth[task]).mean()
    assert abs(predict.right(of, worker, task).mean() - often) < 0.03
    assert abs(predict.right(of, [WORKERS], [TASKS])[0] - often) < 0.1
    spread = predict.spread(of, [0, WORKERS], [0, 0])
    assert spread[1] > 1.5 * spread[0]
    np.testing.assert_allclose(predict.row(of, [0, WORKERS], [0, TASKS]).sum(2), 1)


def test_blend__able_and_guessing_workers__are_told_apart():
    task, worker, label, truth = _crowd()
    seen = blend.Seen(task.astype(np.int64), worker.astype(np.int64), label.astype(np.int64), (TASKS, WORKERS, 2))
    chance = blend.right(seen, seen.worker, seen.task)
    assert chance[worker >= 8].mean() > chance[worker < 8].mean() + 0.2
    assert abs(chance.mean() - (label == truth[task]).mean()) < 0.1


def test_fit__prior_of_the_classes__is_heard_where_nothing_else_is():
    prior = np.tile([0.2, 0.8], (2, 1))
    of = predict.fit([0, 0], [0, 1], [0, 0], 2, 2, 2, prior=prior)
    np.testing.assert_allclose(of.posterior[1], [0.2, 0.8])
    assert of.posterior[0, 0] > 0.5
    with pytest.raises(BadInput, match="prior"):
        predict.fit([0], [0], [0], 2, 2, 2, prior=prior[:1])
