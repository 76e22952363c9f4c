"""Writes dpo_reference.json: one update of TRL's DPO trainer on a small model, its loss and its gradient.

    python -m venv trl && trl/bin/pip install trl==1.16.0 torch==2.13.0 transformers==5.19.0
    trl/bin/python tests/learner/make_dpo_reference.py

TRL is no dependency of ours, so its numbers are kept instead. Plain gradient descent with rate 1 makes the change of
the weights the negative gradient.
"""

import json
import tempfile
from pathlib import Path

import torch
import trl
from datasets import Dataset
from formula_llama import VOCABULARY, formula_llama
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

BETA = 0.3
ROWS = [
    {"prompt": "t2 t3", "chosen": " t4 t5 t6 t7", "rejected": " t8"},
    {"prompt": "t7", "chosen": " t6", "rejected": " t2 t2 t9 t3 t4"},
    {"prompt": "t10 t11 t12", "chosen": " t13 t14", "rejected": " t13 t15"},
    {"prompt": "t5 t5", "chosen": " t3 t9 t2", "rejected": " t3 t9 t4"},
]


def tokenizer() -> PreTrainedTokenizerFast:
    """Token i is the word t<i>; 0 pads, 1 ends."""
    words = {"<pad>": 0, "<end>": 1, **{f"t{i}": i for i in range(2, VOCABULARY)}}
    made = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<end>", pad_token="<pad>")


def main() -> None:
    model = formula_llama(0.0)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    with tempfile.TemporaryDirectory() as folder:
        arguments = trl.DPOConfig(
            output_dir=folder,
            beta=BETA,
            loss_type="sigmoid",
            per_device_train_batch_size=len(ROWS),
            max_steps=1,
            learning_rate=1.0,
            lr_scheduler_type="constant",
            optim="sgd",
            max_grad_norm=0.0,
            logging_steps=1,
            report_to="none",
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            disable_tqdm=True,
        )
        trainer = trl.DPOTrainer(
            model=model,
            ref_model=formula_llama(0.5),
            args=arguments,
            train_dataset=Dataset.from_list(ROWS),
            processing_class=tokenizer(),
        )
        rows = [{key: row[f"{key}_ids"] for key in ("prompt", "chosen", "rejected")} for row in trainer.train_dataset]
        trainer.train()
        logged = trainer.state.log_history[0]
    gradient = {name: before[name] - parameter.detach() for name, parameter in model.named_parameters()}
    reference = {
        "made_by": f"trl {trl.__version__}, torch {torch.__version__}: python tests/learner/make_dpo_reference.py",
        "beta": BETA,
        "rows": rows,
        "loss": logged["loss"],
        **{name: logged[name] for name in logged if name.startswith("rewards/")},
        "gradient_norms": {name: float(tensor.norm()) for name, tensor in gradient.items()},
        "head_gradient": gradient["lm_head.weight"][5].tolist(),
    }
    Path(__file__).with_name("dpo_reference.json").write_text(json.dumps(reference, indent=1) + "\n")
    print(json.dumps(logged, indent=1))


if __name__ == "__main__":
    main()
