"""`interp circuits` from arguments to JSON, on random weights: Othello games, and language models with their own sets."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import torch

from interp.circuits.export import schema
from interp.cli.main import main
from interp.dictionaries.sets import DictionarySet
from interp.dictionaries.topk import TopKDictionary
from interp.othello import transformer
from interp.othello.games import random_games
from interp.othello.notation import square_name
from interp.othello.transformer import OthelloTransformer
from tests.interp.models.families import WORDS, tokenizer, transformers_model

GAME = "f5 d6 c3 d3 c4 f4"


@pytest.fixture
def dictionaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A random transformer in place of the shipped one, and the folder of a random set for it."""
    generator = torch.Generator().manual_seed(0)
    model = OthelloTransformer(generator=generator).eval()
    monkeypatch.setattr(transformer, "load_shipped", lambda: model)
    found = {}
    for site in model.sites:
        dictionary = TopKDictionary({"architecture": "topk", "d_in": 128, "d_sae": 64, "k": 8, "apply_b_dec_to_input": True,
                                     "dtype": "float32"})
        for parameter in dictionary.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
        found[site] = dictionary
    DictionarySet(found).save(tmp_path / "set")
    return tmp_path / "set"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    return run_verb(capsys, "circuits", "trace", *arguments)


def run_verb(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """As `run`, for any verb."""
    code = 0
    try:
        main([*arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("target", ["logit:c5@6", "feature:L2M/3@5", "attention:L1H3@6,2"])
def test_json_has_the_contract_keys_and_adds_up(target: str, dictionaries: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = tmp_path / "out.json"
    code, out, err = run(capsys, "--moves", GAME, "--target", target, "--set", str(dictionaries), "--json", "--graph", str(graph))
    assert code == 0, err
    found = json.loads(out)
    assert {"value", "features", "embeddings", "errors", "biases", "residual", "nodes", "edges", "seconds"} <= set(found)
    total = sum(found[name] for name in ("features", "embeddings", "errors", "biases"))
    assert found["value"] == pytest.approx(total + found["residual"], abs=1e-9)
    assert abs(found["residual"]) < 1e-3
    document = json.loads(graph.read_text())
    jsonschema.validate(document, schema())
    assert (len(document["nodes"]), len(document["links"])) == (found["nodes"], found["edges"])
    assert document["metadata"]["prompt"] == GAME
    assert document["metadata"]["scan"] == f"othello-{dictionaries}"


def test_lower_shares_are_followed_further(dictionaries: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ("--moves", GAME, "--target", "logit:c5@6", "--set", str(dictionaries), "--json")
    ends = {share: json.loads(run(capsys, *common, "--expand", share)[1])["ends"] for share in ("0", "0.01", "1")}
    assert ends["1"]["features"] > ends["0.01"]["features"] > ends["0"]["features"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--moves", "f5 a1", "--target", "logit:c4@1"), "a1 at ply 2 is illegal"),
        (("--moves", GAME, "--target", "logit:c4@7"), "positions are 1 .. 6"),
        (("--target", "logit:c4@7"), "say what to trace"),
        (("--moves", GAME, "--target", "logit:c4@1", "--set", "nowhere"), "no dictionary set 'nowhere'"),
        (("--model", "x", "--prompt", "a", "--dictionaries", "/nowhere", "--target", "logit:c4@1"), "is no folder"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], says: str, dictionaries: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if "--moves" in arguments and "--set" not in arguments:
        arguments += ("--set", str(dictionaries))
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_inputs_of_every_kind_of_target(dictionaries: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ("--moves", GAME, "--set", str(dictionaries), "--json")
    found = {}
    for target in ("logit:c5@6", "feature:L2A/3@5", "attention:L1H3@6,2"):
        code, out, err = run_verb(capsys, "circuits", "inputs", "--target", target, "--top", "7", *common)
        assert code == 0, err
        found[target] = json.loads(out)
        sizes = [abs(row["contribution"]) for row in found[target]["inputs"]]
        assert len(sizes) == 7 and sizes == sorted(sizes, reverse=True)
    feature = found["feature:L2A/3@5"]
    from_heads = sum(feature["heads"]) + sum(feature["biases_by_name"].values())
    assert len(feature["heads"]) == 8 and from_heads == pytest.approx(feature["value"], rel=1e-4)
    assert {"query", "key"} < set(found["attention:L1H3@6,2"]["inputs"][0])


def test_ablations_of_traced_nodes_match_when_frozen(dictionaries: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ("--moves", GAME, "--target", "logit:c5@6", "--set", str(dictionaries), "--json")
    _, out, _ = run_verb(capsys, "circuits", "inputs", "--top", "3", *common)
    nodes = json.loads(out)["inputs"]
    names = ",".join(row["id"] for row in nodes)
    found = {}
    for option in ("--frozen", "--no-frozen"):
        code, out, err = run_verb(capsys, "circuits", "ablate", "--nodes", names, option, *common)
        assert code == 0, err
        found[option] = json.loads(out)
    assert found["--frozen"]["measured"] == pytest.approx(-sum(row["contribution"] for row in nodes), rel=1e-6)
    assert found["--no-frozen"]["measured"] != pytest.approx(found["--frozen"]["measured"], rel=1e-3)
    code, _, err = run_verb(capsys, "circuits", "ablate", "--nodes", "L9M/1@2", *common)
    assert code == 2 and "is no node of this prompt" in err


def test_curves_end_at_the_model(dictionaries: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ("--moves", GAME, "--target", "logit:c5@6", "--set", str(dictionaries), "--json")
    code, out, err = run_verb(capsys, "circuits", "curve", "--counts", "0,5,100000", *common)
    assert code == 0, err
    points = json.loads(out)["points"]
    assert (points[0]["fraction"], points[-1]["fraction"]) == (0, pytest.approx(1, abs=1e-3))
    code, _, err = run_verb(capsys, "circuits", "curve", "--counts", "some", *common)
    assert code == 2 and "--counts takes numbers" in err


def test_the_search_prints_what_can_be_traced(dictionaries: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run_verb(capsys, "circuits", "search", "--set", str(dictionaries), "--games", "2", "--ply", "20", "--json")
    assert code == 0, err
    found = json.loads(out)
    game = " ".join(square_name(int(square)) for square in random_games(2, seed=11, split="test").moves[0, :20])
    for target in (found["legality"]["target"], found["alternation"]["target"]):
        code, out, err = run(capsys, "--moves", game, "--target", target, "--set", str(dictionaries), "--json")
        assert code == 0, err
    _, out, _ = run(capsys, "--moves", game, "--target", found["legality"]["target"], "--set", str(dictionaries), "--json")
    assert json.loads(out)["value"] == pytest.approx(found["legality"]["value"], abs=1e-4)


PROMPT = "the cat sat on a mat"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama in transformers' format, and a text of its words."""
    path = tmp_path_factory.mktemp("language")
    transformers_model("llama").save_pretrained(path / "tiny")
    tokenizer().save_pretrained(path / "tiny")
    generator = torch.Generator().manual_seed(0)
    sentences = [" ".join(WORDS[i] for i in torch.randint(len(WORDS), (30,), generator=generator)) for _ in range(60)]
    (path / "text.jsonl").write_text("\n".join(json.dumps({"text": sentence}) for sentence in sentences))
    return path


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    """Dictionaries of three sites, trained by the command."""
    out = folder / "run"
    words = ["dictionaries", "train", "--out", str(out), "--model", str(folder / "tiny"), "--sites", "L0M,L1A-L1A,L1M", "--text"]
    with pytest.raises(SystemExit) as stop:
        main([*words, str(folder / "text.jsonl"), "--context", "16", "--steps", "12", "--d-sae", "48", "--k", "6"])
    assert stop.value.code == 0
    return out / "set"


def language(folder: Path, trained: Path, target: str, *, prompt: str = PROMPT) -> tuple[str, ...]:
    """Arguments of a trace."""
    return "--model", str(folder / "tiny"), "--dictionaries", str(trained), "--prompt", prompt, "--target", target


@pytest.mark.parametrize("target", ["logit:mat@5", "logit-mean:mat@5", "feature:L1M/3@4", "feature:L1A/7@6", "attention:L1H3@6,2"])
def test_language_models_are_traced_alike(
    target: str, folder: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = tmp_path / "out.json"
    code, out, err = run(capsys, *language(folder, trained, target), "--json", "--graph", str(graph))
    assert code == 0, err
    found, document = json.loads(out), json.loads(graph.read_text())
    assert abs(found["residual"]) < 1e-3
    jsonschema.validate(document, schema())
    assert (document["metadata"]["scan"], document["metadata"]["prompt_tokens"]) == ("tiny", PROMPT.split())
    assert all(node["clerp"].count("'") >= 6 for node in document["nodes"] if node["feature"] is not None)
    if target.startswith("logit:"):
        model = transformers_model("llama").from_pretrained(folder / "tiny")
        tokens = torch.tensor(tokenizer()(PROMPT).input_ids)
        with torch.no_grad():
            expected = model(tokens[None]).logits[0, 4, tokenizer().convert_tokens_to_ids("mat")]
        assert found["value"] == pytest.approx(float(expected), abs=1e-4)


def test_the_first_position_stays_whole(folder: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its dictionaries were not trained there, and say so."""
    graph = tmp_path / "out.json"
    code, _, err = run(capsys, *language(folder, trained, "attention:L1H3@2,1"), "--graph", str(graph))
    assert code == 0, err
    ids = {node["node_id"] for node in json.loads(graph.read_text())["nodes"]}
    assert {name.rsplit("@")[1] for name in ids if name.startswith("L0M/")} == {"2"}


def test_language_sets_are_evaluated(folder: Path, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run_verb(
        capsys, "dictionaries", "evaluate", "--set", str(trained), "--model", str(folder / "tiny"), "--text",
        str(folder / "text.jsonl"), "--context", "16", "--json",
    )  # fmt: skip
    assert code == 0, err
    found = json.loads(out)
    assert [row["site"] for row in found["sites"]] == ["L0M", "L1A", "L1M"]
    assert all(0 < row["l0"] <= 6 for row in found["sites"])
    assert {"loss", "spliced_loss", "zeroed_loss"} <= set(found)


@pytest.mark.parametrize(
    ("target", "prompt", "says"),
    [
        ("feature:L7M/3@2", PROMPT, "site L7M has no dictionary here; sites with one: L0M, L1A, L1M"),
        ("feature:L0M/99@2", PROMPT, "its features are 0 .. 47"),
        ("logit:cat sat@2", PROMPT, "'cat sat' is 2 tokens of this model ('cat', 'sat')"),
        ("logit:Paris@2", PROMPT, "'Paris' is no token of this model"),
        ("logit:mat@7", PROMPT, "positions are 1 .. 6"),
        ("mat", PROMPT, "accepted are logit: Paris@5"),
        ("logit:mat@1", " the cat" * 33, "the prompt has 66 tokens; tiny reads 1 .. 64"),
        ("logit:mat@1", " ", "the prompt has 0 tokens"),
    ],
)
def test_mistakes_about_language_models_are_one_line(
    target: str, prompt: str, says: str, folder: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *language(folder, trained, target, prompt=prompt))
    assert (code, out) == (2, "")
    assert says in err and err.count("\n") == 1


def test_models_and_folders_that_do_not_fit_are_one_line(
    folder: Path, trained: Path, dictionaries: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import transformers

    config = transformers.OPTConfig(vocab_size=50, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, ffn_dim=48, word_embed_proj_dim=32)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "opt")
    tokenizer().save_pretrained(tmp_path / "opt")
    capsys.readouterr()
    cases = [
        (folder / "tiny", dictionaries, "is a dictionary of ''"),
        (folder / "tiny", tmp_path / "absent", "is no folder"),
        (folder / "tiny", folder / "tiny", "holds no dictionary"),
        (tmp_path / "opt", trained, "'opt' models cannot be traced; the tracer reads gpt2"),
        (tmp_path / "absent", trained, "there is no model"),
    ]
    for site, width in (("L0A", 128), ("L5M", 32)):
        found = TopKDictionary({"architecture": "topk", "d_in": width, "d_sae": 64, "k": 8, "apply_b_dec_to_input": True,
                                "metadata": {"hook_name": f"blocks.{site[1]}.hook_{'attn' if site[2] == 'A' else 'mlp'}_out"}})
        DictionarySet({site: found}).save(tmp_path / site)
    cases.append((folder / "tiny", tmp_path / "L0A", "dictionary 'L0A' reads 128 and writes 128 dimensions; this model has 32"))
    cases.append((folder / "tiny", tmp_path / "L5M", "dictionary 'L5M' fits no site of this model; its sites are L0A .. L1M"))
    for model, sets, says in cases:
        code, out, err = run(capsys, "--model", str(model), "--dictionaries", str(sets), "--prompt", PROMPT, "--target", "logit:mat@2")
        assert (code, out) == (2, "")
        assert says in err and err.count("\n") == 1, err
