"""Jobs to begin with: a manifest and tasks that pass the check but for their deadline, which each requester sets."""

from typing import Any

_CHOICES: list[tuple[str, str, str, str, list[str], list[Any]]] = [
    (
        "text-classification",
        "Which topic does the text have?",
        "One of a few topics for each text.",
        "Read the text to its end. Choose the topic that most of it is about. If two fit, choose the one that it begins with.",
        ["Business", "Politics", "Science", "Sport"],
        [
            {"text": "The striker scored twice before half-time."},
            {"text": "Shares fell after the bank raised its rates."},
            {"text": "The probe sent back the first pictures of the comet."},
        ],
    ),
    (
        "sentiment",
        "Is the review positive or negative?",
        "What somebody thinks, from what they wrote.",
        "Judge what the writer thinks of the product, not what you think of it. Irony counts as what it means.",
        ["negative", "neutral", "positive"],
        [
            {"text": "Broke after a week."},
            {"text": "Does what it says."},
            {"text": "I bought three more for my family."},
        ],
    ),
    (
        "moderation",
        "May this comment stay?",
        "Whether a text breaks the rules of a place.",
        "Remove: threats, insults of persons, advertisements. Keep everything else, also what you disagree with.",
        ["keep", "remove"],
        [{"text": "I think you are wrong, and here is why."}, {"text": "Cheap watches, click here!"}],
    ),
    (
        "same-thing",
        "Do the two records name the same thing?",
        "Pairs of records that may be duplicates.",
        "Same: one thing in the world, whatever the spelling. Different: two things, however alike they look.",
        ["different", "same"],
        [
            {"a": "J. Smith, 12 Oak Street", "b": "John Smith, Oak St. 12"},
            {"a": "Model X200 black", "b": "Model X20 black"},
        ],
    ),
    (
        "better-answer",
        "Which of two answers is better?",
        "Preferences between two texts.",
        "Better: more correct first, then more helpful, then shorter.",
        ["first", "second"],
        [{"question": "What is the boiling point of water?", "first": "100 °C at sea level.", "second": "It is hot."}],
    ),
]


def templates() -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "title": title,
            "description": description,
            "manifest": {
                "version": 1,
                "title": title,
                "instructions": instructions,
                "answer": {"type": "choice", "classes": classes},
                "redundancy": {"most": 5, "least": 3},
                "reward": {"base": "20000", "bonus": "5000"},
                "feeBps": 250,
            },
            "tasks": [{"id": f"example-{n}", "payload": payload} for n, payload in enumerate(payloads, 1)],
        }
        for name, title, description, instructions, classes, payloads in _CHOICES
    ]
