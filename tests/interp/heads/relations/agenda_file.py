"""An AGENDA file of our own making: two abstracts, one with a crowd of entities."""

from __future__ import annotations

from pathlib import Path

FEW = "\t".join(
    (
        "A title .",
        "word error rate ; -lrb- fast -rrb- search ; speech ; unmentioned",
        "<task> <method> <material> <method>",
        "1 0 2 ; 0 5 1 ; 0 1 3 ; 2 2 2",
        "we use the <method_1> for <material_2> -lrb- <material_2> 's <task_0> -rrb- . <method_1> can be '' good '' .",
        "1 2 -1",
    )
)
"""Triples: search Used-for speech, rate Evaluate-for search, one with an entity that is not mentioned, one with itself."""


def crowd(entities: int = 22, together: int = 10) -> str:
    """An abstract that mentions `entities` entities, `together` in its first sentence and the others in its second."""
    names = " ; ".join(f"entity{k}" for k in range(entities))
    first = " and ".join(f"<method_{k}>" for k in range(together))
    second = " and ".join(f"<method_{k}>" for k in range(together - 1, entities))
    triples = f"0 1 1 ; 0 6 {entities - 1} ; {together} 3 {together - 1}"
    return "\t".join(("t", names, "<method>", triples, f"{first} . {second} ? the end", "1"))


def written(path: Path, *lines: str) -> Path:
    """The lines as a file."""
    file = path / "test.tsv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file
