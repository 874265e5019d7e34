"""What a relation source yields: its documents, and how much it set aside and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from interp.heads.relations.document import RelationDocument
from interp.runs.errors import UserError

WITHOUT_TRIPLET = "documents without a triplet"


class Relations(NamedTuple):
    """Documents with at least one triplet each. They are read as a whole before anything is computed, so that a mistake
    on the last line of a file is told before the hour of work on the lines before it."""

    documents: tuple[RelationDocument, ...]
    dropped: Mapping[str, int]
    """How many were set aside, by reason."""

    @property
    def triplets(self) -> dict[str, int]:
        """Triplets of each relation, the most frequent first."""
        found = Counter(triplet.relation for document in self.documents for triplet in document.triplets)
        return dict(found.most_common())

    @property
    def counts(self) -> dict[str, Any]:
        """All counts, as a report shows them."""
        return {"documents": len(self.documents), "triplets": self.triplets, "dropped": dict(self.dropped)}


def gather(documents: Iterable[RelationDocument], dropped: Counter[str], *, source: str) -> Relations:
    """Read all `documents` and leave out those without a triplet, which no index needs to run through a model.

    `dropped` is what the reading itself counts; it is taken when the documents are at their end.

    Raises UserError if no triplet is left.
    """
    kept = []
    for document in documents:
        if document.triplets:
            kept.append(document)
        else:
            dropped[WITHOUT_TRIPLET] += 1
    if not kept:
        reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items() if count) or "it is empty"
        raise UserError(f"{source} gives no relation triplet; set aside: {reasons}")
    return Relations(tuple(kept), {reason: count for reason, count in dropped.items() if count})
