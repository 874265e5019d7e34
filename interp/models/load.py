"""One way to get a model: a shipped name, a path, a Hugging Face id, or a transformers model that is loaded already.

The network is touched only for a Hugging Face id (`owner/name`), and then only by transformers. Weights are read from
safetensors and GGUF alone.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from safetensors import SafetensorError

from interp.models.gguf import converted
from interp.models.registry import ALIASES, SHIPPED, shipped_path
from interp.othello import transformer as othello
from interp.runs.device import resolve
from interp.runs.errors import UserError

if TYPE_CHECKING:
    from interp.models.bridge import LanguageModel
    from interp.models.embedder import SentenceEmbedder

_SHIPPED_LM = ", ".join(name for name, model in SHIPPED.items() if model.kind == "language model")
_HUB_ID = re.compile(r"(?P<id>[\w-][\w.-]*/[\w-][\w.-]*)(@(?P<revision>[\w.-]+))?")


class CausalModel(NamedTuple):
    """A language model as transformers has it, for work that needs no hooks: scoring, generation, tuning."""

    model: Any
    tokenizer: Any


def load(
    name_or_path: str | Path | torch.nn.Module, *, tokenizer: Any = None, device: str = "auto"
) -> LanguageModel | SentenceEmbedder | othello.OthelloTransformer | Any:
    """Load a model.

    Args:
        name_or_path: a name of `interp.models.registry`, SHIPPED or ALIASES; a folder in transformers' format, a GGUF
            file or a file of `interp othello train`; an id on the Hugging Face Hub, with or without `@revision`; or a
            transformers causal language model.
        tokenizer: for a model that is passed in, its tokenizer; otherwise the one that comes with the model.
        device: auto, cpu, cuda, cuda:0, ...

    Returns:
        A language model as `LanguageModel`, the Othello transformer as a plain module, the sentence embedder as
        `SentenceEmbedder`, the dependency parser as a spaCy pipeline.

    Raises:
        UserError: if there is no such model, it cannot be read, or it fails the self-check.
    """
    where = resolve(device)
    if isinstance(name_or_path, torch.nn.Module):
        return _wrap_loaded(name_or_path, tokenizer, where)
    name = ALIASES.get(str(name_or_path), str(name_or_path))
    if name in SHIPPED:
        return _load_shipped(name, where)
    path = Path(name)
    if path.exists():
        return _load_path(path, where)
    if (on_hub := _HUB_ID.fullmatch(name)) and not path.parent.exists():
        return _load_transformers(on_hub["id"], name=name, device=where, local=False, revision=on_hub["revision"])
    raise UserError(
        f"there is no model '{name}': accepted are {', '.join(SHIPPED)}, an existing path, or a Hugging Face id owner/name"
    )


def load_language(name_or_path: str, *, device: str = "auto") -> LanguageModel:
    """`load` for those who need a language model. Raises UserError for a model that is none, beside those of `load`."""
    from interp.models.bridge import LanguageModel

    loaded = load(name_or_path, device=device)
    if not isinstance(loaded, LanguageModel):
        raise UserError(f"'{name_or_path}' is no language model; accepted are a Hub id, a folder, or {_SHIPPED_LM}")
    return loaded


def load_causal(name_or_path: str, *, device: str = "auto") -> CausalModel:
    """A language model without the Bridge: no hooks, no self-check, transformers' own attention and cache.

    `name_or_path` is what `load` takes for one, or a folder with a LoRA adapter (of `peft`), which is merged into the
    model that it names. Raises UserError as `load` does, and for an adapter that cannot be read.
    """
    where = resolve(device)
    name = ALIASES.get(name_or_path, name_or_path)
    path = Path(name)
    if name in SHIPPED and SHIPPED[name].kind == "language model":
        return _read_transformers(str(converted(shipped_path(name))), name=name, device=where, local=True)
    if name not in SHIPPED and (path / "adapter_config.json").exists():
        return _read_adapter(path, device)
    if name not in SHIPPED and path.suffix == ".gguf" and path.exists():
        return _read_transformers(str(converted(path)), name=path.stem, device=where, local=True)
    if name not in SHIPPED and (path / "config.json").exists():
        return _read_transformers(str(path), name=path.name, device=where, local=True)
    if (on_hub := _HUB_ID.fullmatch(name)) and not path.exists() and not path.parent.exists():
        return _read_transformers(on_hub["id"], name=name, device=where, local=False, revision=on_hub["revision"])
    raise UserError(f"'{name_or_path}' is no language model; accepted are a Hub id, a folder, or {_SHIPPED_LM}")


def _read_adapter(folder: Path, device: str) -> CausalModel:
    try:
        from peft import PeftConfig, PeftModel
    except ImportError:
        raise UserError(f"{folder} holds a LoRA adapter, which needs peft: pip install 'interp-lab[models]'") from None
    if not (folder / "adapter_model.safetensors").exists():
        raise UserError(
            f"{folder} has no adapter_model.safetensors: adapters in another format, which may run code, are not read"
        )
    try:
        name = str(PeftConfig.from_pretrained(str(folder)).base_model_name_or_path)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{folder / 'adapter_config.json'} is no configuration of peft: {_first_line(error)}") from None
    if (Path(name) / "adapter_config.json").exists():
        raise UserError(
            f"the adapter in {folder} is for {name}, which is an adapter itself; accepted is one of a whole model"
        )
    base = load_causal(name, device=device)
    try:
        model: Any = PeftModel.from_pretrained(base.model, str(folder))
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(f"the adapter in {folder} does not fit {name}: {_first_line(error)}") from None
    return CausalModel(model.merge_and_unload().eval(), base.tokenizer)


def _load_shipped(name: str, device: torch.device) -> Any:
    path, kind = shipped_path(name), SHIPPED[name].kind
    if kind == "Othello transformer":
        return othello.load(path).to(device)
    if kind == "language model":
        return _load_transformers(str(converted(path)), name=name, device=device, local=True)
    if kind == "sentence embedder":
        from interp.models.embedder import load_embedder

        return load_embedder(path, device=device)
    import spacy

    return spacy.load(path)


def _load_path(path: Path, device: torch.device) -> Any:
    if path.is_dir() and (path / "config.json").exists():
        return _load_transformers(str(path), name=path.name, device=device, local=True)
    if path.suffix == ".gguf":
        return _load_transformers(str(converted(path)), name=path.stem, device=device, local=True)
    if path.suffix == ".safetensors":
        return othello.load(path).to(device)
    raise UserError(
        f"{path} is no model: accepted are a folder with config.json, a .gguf file, or a .safetensors file "
        "of interp othello train"
    )


def _load_transformers(
    source: str, *, name: str, device: torch.device, local: bool, revision: str | None = None
) -> LanguageModel:
    from interp.models.bridge import wrap

    model, tokenizer = _read_transformers(source, name=name, device=device, local=local, revision=revision)
    return wrap(model, tokenizer, name=name, device=device)


def _read_transformers(
    source: str, *, name: str, device: torch.device, local: bool, revision: str | None = None
) -> CausalModel:
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # its bars would stand before the one line of a mistake
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=local, revision=revision or "main")
        model: Any = AutoModelForCausalLM.from_pretrained(
            source, local_files_only=local, revision=revision or "main", dtype=torch.float32, use_safetensors=True
        )  # safetensors alone: a pickle can run code
    except (OSError, ValueError) as error:
        raise UserError(f"'{name}' cannot be loaded as a causal language model: {_first_line(error)}") from None
    return CausalModel(model.to(device).eval(), tokenizer)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _wrap_loaded(model: torch.nn.Module, tokenizer: Any, device: torch.device) -> LanguageModel:
    from interp.models.bridge import wrap

    if not hasattr(model, "config") or tokenizer is None:
        raise UserError("a model that is passed in must be a transformers causal language model, with tokenizer=...")
    name = getattr(model, "name_or_path", "") or type(model).__name__
    return wrap(model, tokenizer, name=name, device=device)
