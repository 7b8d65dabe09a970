"""The members asked at the same time: one that hangs holds up nobody, and what any of them answers is its own problem.

question -> the answers that came in time, and every problem. Each question runs on a thread of its own that ends with the process.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from queue import Empty, Queue
from threading import BoundedSemaphore, Thread
from time import monotonic
from typing import Generic, TypeVar

from oracle.ports import Peer
from oracle.protocol.errors import CrowdproofError, Retryable

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MOST_WAITING = 64  # questions that one member may leave open


@dataclass(slots=True)
class Replies(Generic[K, V]):
    """`found`: answers by who gave them; `problems`: what the others said, or why they said nothing."""

    found: dict[K, V] = field(default_factory=dict)
    problems: list[CrowdproofError] = field(default_factory=list)


class Panel:
    """Holds how many questions each member has open."""

    def __init__(self, peers: Sequence[Peer]) -> None:
        self._peers = [(peer, BoundedSemaphore(MOST_WAITING)) for peer in peers]

    def ask(self, question: Callable[[Peer], tuple[K, V]], enough: int, grace: float, patience: float) -> Replies[K, V]:
        """Asks all; `question` gives who answers and what. Waits `patience` seconds, or `grace` once it is decided

        whether there are `enough` answers.
        """
        inbox: Queue[tuple[K, V] | BaseException] = Queue()
        for peer, free in self._peers:
            _start(question, peer, free, inbox)
        replies: Replies[K, V] = Replies()
        end, waiting, decided = monotonic() + patience, len(self._peers), False
        while waiting:
            try:
                reply = inbox.get(timeout=max(0.0, end - monotonic()))
            except Empty:
                break
            waiting -= 1
            _take(replies, reply)
            if not decided and not len(replies.found) < enough <= len(replies.found) + waiting:
                decided, end = True, min(end, monotonic() + grace)
        replies.problems += [Retryable("a member has not answered yet")] * waiting
        return replies


def _start(
    question: Callable[[Peer], tuple[K, V]],
    peer: Peer,
    free: BoundedSemaphore,
    inbox: "Queue[tuple[K, V] | BaseException]",
) -> None:
    def work() -> None:
        try:
            inbox.put(question(peer))
        except BaseException as problem:  # handed to the thread that asked, which raises what is no answer
            inbox.put(problem)
        finally:
            free.release()

    if free.acquire(blocking=False):
        Thread(target=work, name="member", daemon=True).start()
    else:
        inbox.put(Retryable("a member leaves too many questions open"))


def _take(replies: Replies[K, V], reply: tuple[K, V] | BaseException) -> None:
    if isinstance(reply, CrowdproofError):
        replies.problems.append(reply)
    elif isinstance(reply, BaseException):
        raise reply
    else:
        replies.found[reply[0]] = reply[1]
