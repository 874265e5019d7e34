"""Dependency trees of plain text: by spaCy, whose English parser comes with the lab, or by stanza where it is installed.

Each sentence becomes a document of its own, as in arXiv 2402.13055 (section 3), where spaCy read AGENDA's abstracts.
Runs of white space in a text become single spaces first: line breaks are the layout's, not the sentence's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from interp.corpora.document import Document
from interp.heads.relations.dependencies import ParsedSentence, Word
from interp.heads.relations.document import Span
from interp.models.load import load
from interp.runs.errors import UserError

SPACY_MODEL = "en-core-web-sm"
"""Name of the shipped pipeline; its labels are those of `dependencies.SPACY`."""
_SPACY_PARTS = ("tok2vec", "parser")
_BATCH = 32
"""Texts that are parsed at a time: few, for those who stop after some sentences."""
_STANZA_PARTS = "tokenize,mwt,pos,lemma,depparse"


def spacy_sentences(documents: Iterable[Document], nlp: Any = None) -> Iterator[ParsedSentence]:
    """The sentences of some texts, named `document:number`.

    Args:
        nlp: a spaCy pipeline with a parser; the shipped one if None.
    """
    pipeline: Any = load(SPACY_MODEL) if nlp is None else nlp
    named = ((_unbroken(document.text), document.name) for document in documents)
    with pipeline.select_pipes(enable=_SPACY_PARTS):
        for parsed, name in pipeline.pipe(named, as_tuples=True, batch_size=_BATCH):
            for number, sentence in enumerate(parsed.sents, start=1):
                yield _from_spacy(sentence, f"{name}:{number}")


def _from_spacy(sentence: Any, name: str) -> ParsedSentence:
    words = (
        Word(
            _shifted(word.idx, word.idx + len(word), sentence.start_char),
            None if word.head.i == word.i else word.head.i - sentence.start,
            word.dep_,
        )
        for word in sentence
    )
    return ParsedSentence(name, sentence.text, tuple(words))


def stanza_pipeline(language: str = "en", folder: Path | None = None) -> Any:
    """A stanza pipeline that is on this machine already, in `folder` or where stanza keeps its models.

    Raises UserError if stanza or its models for the language are not installed; nothing is downloaded.
    """
    try:
        import stanza
    except ImportError:
        raise UserError(
            f"the parser stanza is not installed; accepted is spaCy's '{SPACY_MODEL}', or stanza after `pip install stanza`"
        ) from None
    place = {} if folder is None else {"dir": str(folder)}
    try:
        return stanza.Pipeline(language, processors=_STANZA_PARTS, download_method=None, verbose=False, **place)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"stanza has no models for '{language}' on this machine, and none are downloaded ({reason})"
        ) from None


def stanza_sentences(documents: Iterable[Document], pipeline: Any) -> Iterator[ParsedSentence]:
    """The sentences of some texts, named `document:number`; labels are those of Universal Dependencies."""
    for document in documents:
        parsed = pipeline(_unbroken(document.text))
        for number, sentence in enumerate(parsed.sentences, start=1):
            yield _from_stanza(sentence, parsed.text, f"{document.name}:{number}")


def _from_stanza(sentence: Any, text: str, name: str) -> ParsedSentence:
    """Words of a multi-word token that stanza cannot place in it get the place of the token."""
    start, end = sentence.tokens[0].start_char, sentence.tokens[-1].end_char
    words = []
    for token in sentence.tokens:
        for word in token.words:
            place = token if word.start_char is None else word
            governor = word.head - 1 if word.head else None
            words.append(Word(_shifted(place.start_char, place.end_char, start), governor, word.deprel))
    return ParsedSentence(name, text[start:end], tuple(words))


def _shifted(start: int, end: int, origin: int) -> Span:
    return Span(start - origin, end - origin)


def _unbroken(text: str) -> str:
    return " ".join(text.split())
