"""Where a policy is, and what a place that holds none needs. Asked before torch is imported, which takes seconds.

A policy is a folder in Hugging Face's layout, `bundled:NAME`, or a name of the Hub; after `--policy` also a run or a
checkpoint.
"""

import json
from fnmatch import fnmatch
from importlib import resources
from pathlib import Path

from vineppo.checkpoint import checkpoints, run_of
from vineppo.errors import UserError, one_line
from vineppo.hub import asked_once
from vineppo.places import may_be_hub_name, nearest
from vineppo.settings.model_shape import BUNDLED, cached_config, resolve_bundled

CONFIG, ADAPTER = "config.json", "adapter_config.json"
"""A folder that holds the first is a model's, the second an adapter's."""
WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "*.bin", "*.bin.index.json")
COPY_TOKENIZER = (
    "copy tokenizer.json and tokenizer_config.json from the model that it was made of, or save it there with "
    "tokenizer.save_pretrained"
)
TOKENIZERS = ("tokenizer*", "*.model", "*.tiktoken", "tekken.json", "vocab*", "merges.txt")


def policy_of(place: str) -> str:
    """Of a run (unfinished: its newest checkpoint's) or of a checkpoint, the policy in it; else the place itself."""
    folders = (Path(place), *reversed(checkpoints(Path(place) / "checkpoints")))
    if (Path(place) / CONFIG).is_file():
        return place
    return next((str(folder / "policy") for folder in folders if (folder / "policy" / CONFIG).is_file()), place)


def config_of(place: str) -> Path | None:
    """Of a run, a checkpoint of it or the policy in either, the run's config; None: the place is of no run."""
    folder = Path(place).resolve()
    run = run_of(folder.parent if folder.name == "policy" else folder)
    return run / "config.yaml" if (run / "config.yaml").is_file() and (run / "metrics.jsonl").is_file() else None


def check_policy(path: str) -> None:
    """Raise UserError where no policy can be had from a place: what is wrong, and what to do."""
    if path.startswith(BUNDLED):
        check_bundled(path)
    elif Path(path).is_dir():
        check_folder(Path(path))
    elif Path(path).exists():
        raise UserError(f"policy.path is '{path}', a file; {remedy_of_file(Path(path))}")
    elif not may_be_hub_name(path):
        raise UserError(f"policy.path is '{path}', which is not there{nearest(path)}; name a folder or a Hub name")
    elif cached_config(path) is None:
        check_reachable(path)


def check_bundled(path: str) -> None:
    """One that comes with the package."""
    if not Path(resolve_bundled(path)).is_dir():
        names = sorted(folder.name for folder in (resources.files("vineppo") / "assets").iterdir())
        raise UserError(
            f"policy.path is '{path}', but only {', '.join(f'{BUNDLED}{name}' for name in names)} come with the package"
        )


def check_folder(folder: Path) -> None:
    """A model's, with weights and tokenizer."""
    names = [path.name for path in folder.iterdir()]
    where = f"policy.path is '{folder}', "
    if ADAPTER in names:
        return  # the base model that it names has the rest
    if CONFIG not in names:
        if (inside := policy_of(str(folder))) != str(folder):
            raise UserError(f"{where}a run or a checkpoint; its policy is {inside}: give that, or --policy {folder}")
        gguf = next((name for name in names if name.endswith(".gguf")), None)
        if gguf is not None:
            raise UserError(f"{where}a folder without {CONFIG}; {remedy_of_file(folder / gguf)}")
        models = sorted(str(path.parent) for path in folder.glob(f"*/{CONFIG}"))
        remedy = f"did you mean {' or '.join(models[:3])}?" if models else "name a model's folder, or a Hub name"
        raise UserError(f"{where}a folder without {CONFIG}; {remedy}")
    try:
        json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{where}whose {CONFIG} is no JSON ({one_line(error)}); fetch it again") from error
    if not has_any(names, WEIGHTS):
        raise UserError(f"{where}which has no weights (model.safetensors); fetch them, or save the model there again")
    if not has_any(names, TOKENIZERS):
        raise UserError(f"{where}which has no tokenizer; {COPY_TOKENIZER}")


def has_any(names: list[str], patterns: tuple[str, ...]) -> bool:
    """Whether a name is like one of the patterns."""
    return any(fnmatch(name, pattern) for name in names for pattern in patterns)


def remedy_of_file(file: Path) -> str:
    """What to do with a file in the place of a model's folder."""
    if file.suffix == ".gguf":
        return f"make a folder of it: vineppo import-gguf {file} --out {file.with_suffix('')}"
    return f"name its folder, {file.parent}" if (file.parent / CONFIG).is_file() else "name a model's folder"


def check_reachable(name: str) -> None:
    """Of a Hub name that was not fetched before."""
    with asked_once() as silence:
        if silence:
            raise UserError(
                f"policy.path is '{name}', which is no folder here{nearest(name)}; as a name of the Hub it was never "
                f"fetched, and the Hub does not answer ({silence}): give a folder, or fetch it where there is a network"
            )


def remedy_of_model(folder: str) -> str:
    """Why transformers makes no language model with tokenizer of a folder, and what to do; empty where it must say."""
    file = Path(folder) / CONFIG
    config = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    kind = f"model_type {config.get('model_type')!r}"
    if "vision_config" in config or "audio_config" in config:
        return f"it reads images or sounds ({kind}); take a model of text alone, e.g. Qwen/Qwen3-0.6B"
    if config.get("is_encoder_decoder"):
        return f"it has an encoder and a decoder ({kind}); take a decoder alone, e.g. Qwen/Qwen3-0.6B"
    if file.is_file() and not (file.parent / "tokenizer.json").is_file():
        return f"it has no tokenizer.json; {COPY_TOKENIZER}"
    return ""
