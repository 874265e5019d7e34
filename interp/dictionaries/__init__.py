"""Sparse dictionaries: what a site writes to the residual stream as a sum of few learnt directions."""

from interp.dictionaries.base import Dictionary, DictionaryOutput
from interp.dictionaries.sets import DictionarySet, load_set

__all__ = ["Dictionary", "DictionaryOutput", "DictionarySet", "load_set"]
