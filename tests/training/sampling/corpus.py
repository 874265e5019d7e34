"""A small corpus of three topics, two near-duplicates and a bad line."""

from __future__ import annotations

import json
import random
from pathlib import Path

TOPICS = {
    "sea": ["ship", "sailor", "harbour", "wave", "storm", "anchor", "mast", "captain", "tide", "rope", "island", "whale"],
    "kitchen": ["bread", "oven", "flour", "butter", "knife", "salt", "pepper", "onion", "soup", "plate", "spoon", "dough"],
    "stars": [
        "planet",
        "orbit",
        "telescope",
        "comet",
        "moon",
        "galaxy",
        "light",
        "gravity",
        "rocket",
        "sun",
        "cloud",
        "dust",
    ],
}
SIZES = {"sea": 30, "kitchen": 15, "stars": 6}


def entries(seed: int = 0) -> list[dict[str, str]]:
    """Texts of 12 to 40 words of one topic each, the topic as metadata, shuffled."""
    generator = random.Random(seed)
    found = []
    for topic, size in SIZES.items():
        for number in range(size):
            words = generator.choices(TOPICS[topic], k=generator.randint(12, 40))
            found.append({"id": f"{topic}{number}", "text": f"The {' '.join(words)}.", "topic": topic})
    generator.shuffle(found)
    return found


def write_corpus(path: Path) -> Path:
    """The corpus as JSON lines; the last two repeat the first one but for case and a full stop."""
    lines = entries()
    lines += [
        {**lines[0], "id": "again", "text": lines[0]["text"].upper()},
        {**lines[0], "id": "more", "text": lines[0]["text"] + "."},
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + "{broken\n")
    return path
