"""Small tokenizers with chat templates of the kinds people have."""

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SPECIAL = ["<pad>", "<eos>", "<bos>", "<turn>", "<end_turn>", "<think>", "</think>", "<answer>", "</answer>"]

TEMPLATE = (
    "{{ bos_token }}"
    "{% if tools %}<turn>tools {{ tools | tojson }}<end_turn>{% endif %}"
    "{% for message in messages %}<turn>{{ message.role }} {{ message.content }}<end_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<turn>assistant {% if enable_thinking is not defined or enable_thinking %}"
    "<think>{% endif %}{% endif %}"
)
NO_TOOLS = TEMPLATE.replace("{% if tools %}<turn>tools {{ tools | tojson }}<end_turn>{% endif %}", "")


def chat_tokenizer(template: str | None = TEMPLATE, *, bos: bool = False, eos: bool = False) -> PreTrainedTokenizerFast:
    """bos, eos: whether the tokenizer puts them around every text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["What is 1 + 1? It is 2."], trainer)
    before, after = "<bos>:0 " if bos else "", " <eos>:0" if eos else ""
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{before}$A:0{after}", special_tokens=[("<bos>", 2), ("<eos>", 1)]
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", bos_token="<bos>", pad_token="<pad>")
    fast.chat_template = template
    return fast


def ids(tokenizer: PreTrainedTokenizerFast, *tokens: str) -> tuple[int, ...]:
    return tuple(int(tokenizer.convert_tokens_to_ids(token)) for token in tokens)
