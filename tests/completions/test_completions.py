"""Cases of what models really write, and a fuzz: never raises, linear time."""

import json
import re
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chartreward.completions import extract_code, last_assistant_turn

CODE = "import matplotlib.pyplot as plt\n\nplt.plot([1, 2])\nplt.show()"
F = "```"
PADS = "<|vision_start|>" + "<|image_pad|>" * 3000 + "<|vision_end|>"

CASES = {
    "fence": (f"Here:\n{F}python\n{CODE}\n{F}\nEnjoy.", CODE),
    "py tag": (f"{F}py\n{CODE}\n{F}", CODE),
    "upper-case tag": (f"{F}Python\n{CODE}\n{F}", CODE),
    "no tag": (f"{F}\n{CODE}\n{F}", CODE),
    "tag with attributes": (f'{F}python title="chart.py"\n{CODE}\n{F}', CODE),
    "tildes": (f"~~~python\n{CODE}\n~~~", CODE),
    "four backticks": (f"````python\n{CODE}\n````", CODE),
    "windows line ends": (f"{F}python\n{CODE}\n{F}".replace("\n", "\r\n"), CODE),
    "last of two": (f"{F}python\nimport draft\n{F}\nBetter:\n{F}python\n{CODE}\n{F}", CODE),
    "last complete of a truncated pair": (f"{F}python\n{CODE}\n{F}\nBetter:\n{F}python\nimport matpl", CODE),
    "other languages ignored": (f"{F}bash\npip install x\n{F}\n{F}python\n{CODE}\n{F}\n{F}json\n{{}}\n{F}", CODE),
    "console output after the code": (f"{F}python\n{CODE}\n{F}\nIt prints:\n{F}\n1 2 3\n{F}", CODE),
    "untagged final version after a tagged draft": (f"{F}python\nimport draft\n{F}\nFinal:\n{F}\n{CODE}\n{F}", CODE),
    "unclosed": (f"Sure:\n{F}python\n{CODE}", CODE),
    "unclosed, no tag": (f"{F}\n{CODE}", CODE),
    "unclosed, then started over": (f"{F}python\nimport draft\n{F}python\n{CODE}\n{F}", CODE),
    "closing fence glued to the code": (f"{F}python\n{CODE}{F}", CODE),
    "closing fence followed by prose": (f"{F}python\n{CODE}\n{F} This draws a line.\nMore.", CODE),
    "closing fence followed by a word": (f"{F}python\n{CODE}\n{F}Done", CODE),
    "opening fence after prose": (f"The code: {F}python\n{CODE}\n{F}", CODE),
    "indented in a list": ("1. Code:\n" + f"   {F}python\n{CODE}\n{F}".replace("\n", "\n   "), CODE),
    "markdown around it": (f"````markdown\n{F}python\n{CODE}\n{F}\n````", CODE),
    "markdown around it, equal fences": (f"{F}markdown\n{F}python\n{CODE}\n{F}\n{F}", CODE),
    "backticks in a string": (f"{F}python\n{CODE}\nplt.title('```x')\n{F}", CODE + "\nplt.title('```x')"),
    "inline code is no block": (f"Use {F}plt.plot{F} like so:\n{F}python\n{CODE}\n{F}", CODE),
    "empty block after the code": (f"{F}python\n{CODE}\n{F}\n{F}python\n{F}", CODE),
    "bare code": (CODE, CODE),
    "bare code with a comment": ("# a chart\n" + CODE, "# a chart\n" + CODE),
    "bare code after prose": ("I import the data from the picture:\n" + CODE, CODE),
    "thought, then code": (f"<think>{F}python\nimport draft\n{F}</think>\n{F}python\n{CODE}\n{F}", CODE),
    "thought opened in the prompt": (f"hmm {F}python\nimport draft\n{F}</think>{F}python\n{CODE}\n{F}", CODE),
    "kimi thought": (f"◁think▷{F}python\nimport draft\n{F}◁/think▷{F}python\n{CODE}\n{F}", CODE),
    "thought that never ends": (f"<think>\nFirst, {F}python\n{CODE}\n{F}", None),
    "code only in the thought": (f"<think>{F}python\n{CODE}\n{F}</think>I cannot do it.", None),
    "tag inside a string": (f"{F}python\n{CODE}\nplt.title('<think>')\n{F}", CODE + "\nplt.title('<think>')"),
    "answer with a fence": (f"<think>x</think><answer>{F}python\n{CODE}\n{F}</answer>", CODE),
    "answer with bare code": (f"{F}python\nimport draft\n{F}<answer>\n{CODE}\n</answer>", CODE),
    "answer that never ends": (f"<answer>{F}python\n{CODE}", CODE),
    "answer without code": (f"{F}python\n{CODE}\n{F}\n<answer>see above</answer>", CODE),
    "last answer": (f"<answer>import draft</answer><answer>{CODE}</answer>", CODE),
    "trailing special tokens": (f"{F}python\n{CODE}\n{F}<|im_end|><|endoftext|>\n<|endoftext|>", CODE),
    "token glued to bare code": (f"{CODE}<|eot_id|>", CODE),
    "refusal": ("I am sorry, I cannot import charts from images.", None),
    "empty": ("", None),
    "only a fence": (F, None),
    "messages": ([{"role": "user", "content": "import x"}, {"role": "assistant", "content": CODE}], CODE),
    "several turns": (
        [
            {"role": "assistant", "content": "import draft"},
            {"role": "user", "content": "no"},
            {"role": "assistant", "content": CODE},
        ],
        CODE,
    ),
    "content parts": ([{"role": "assistant", "content": [{"type": "text", "text": CODE}]}], CODE),
    "only the user speaks": ([{"role": "user", "content": CODE}], None),
    "no messages": ([], None),
    "tool call without content": ([{"role": "assistant", "content": None}], None),
}


@pytest.mark.parametrize(("completion", "expected"), CASES.values(), ids=CASES)
def test_cases(completion: str | list[dict], expected: str | None) -> None:
    assert extract_code(completion) == expected


ANSWER = f"{F}python\n{CODE}\n{F}"
QUERIES = {
    "chatml": (
        f"<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n{PADS}Draw {F}python\nimport no\n{F}<|im_end|>\n"
        f"<|im_start|>assistant\n{ANSWER}<|im_end|>\n<|endoftext|><|endoftext|>"
    ),
    "chatml, several turns": (
        "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nimport draft<|im_end|>\n<|im_start|>user\nb<|im_end|>\n"
        f"<|im_start|>assistant\n<think>\nimport no\n</think>\n\n{ANSWER}<|im_end|>"
    ),
    "llama3": (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nDraw<|eot_id|>"
        f"<|start_header_id|>assistant<|end_header_id|>\n\n{ANSWER}<|eot_id|><|finetune_right_pad_id|>"
    ),
    "llama4": (
        "<|begin_of_text|><|header_start|>user<|header_end|>\n\nDraw<|eot|>"
        f"<|header_start|>assistant<|header_end|>\n\n{ANSWER}<|eot|>"
    ),
    "gemma": (
        f"<bos><start_of_turn>user\n<start_of_image>{'<image_soft_token>' * 256}<end_of_image>Draw<end_of_turn>\n"
        f"<start_of_turn>model\n{ANSWER}<end_of_turn>\n<eos><pad><pad>"
    ),
    "phi": f"<|user|>\n<|image_1|>Draw<|end|>\n<|assistant|>\n{ANSWER}<|end|><|endoftext|>",
    "phi4": f"<|im_start|>user<|im_sep|>Draw<|im_end|><|im_start|>assistant<|im_sep|>{ANSWER}<|im_end|>",
    "deepseek": (
        "<｜begin▁of▁sentence｜><｜User｜>Draw<｜Assistant｜>"
        f"<think>\nimport no\n</think>\n{ANSWER}<｜end▁of▁sentence｜>"
    ),
    "harmony": (
        "<|start|>user<|message|>Draw<|end|><|start|>assistant<|channel|>analysis<|message|>import no<|end|>"
        f"<|start|>assistant<|channel|>final<|message|>{ANSWER}<|return|>"
    ),
    "mistral": f"<s>[INST] Draw [/INST] {ANSWER}</s>",
    "no template": ANSWER,
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_chat_templates(query: str) -> None:
    turn = last_assistant_turn(query)
    assert turn.endswith(ANSWER)
    assert "Draw" not in turn and "<|" not in turn and "<pad>" not in turn
    assert extract_code(query) == CODE


def test_turn_that_said_nothing() -> None:
    query = "<|im_start|>user\nimport x<|im_end|>\n<|im_start|>assistant\n<|im_end|>"
    assert last_assistant_turn(query) == ""
    assert extract_code(query) is None


def test_a_longer_prompt_than_was_sent_does_not_matter() -> None:
    """The traps' case: `query[len(prompt):]` would cut inside the image pads."""
    query = f"<|im_start|>user\n{PADS}import no<|im_end|>\n<|im_start|>assistant\n{ANSWER}<|im_end|>"
    assert last_assistant_turn(query) == ANSWER


# The same examples every time, however slow the machine is.
fuzzed = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

PIECES = [F, "~~~", "````", "python", "py", "\n", "\r\n", " ", "\t", CODE, "import x", "from a import b", "prose ", "'"]
PIECES += [
    "<think>",
    "</think>",
    "<answer>",
    "</answer>",
    "<|im_start|>assistant",
    "<|im_end|>",
    "</s>",
    "[/INST]",
    "`",
]
PIECES += ["◁think▷", "<start_of_turn>model", "<｜Assistant｜>", "\x00", "\u2028", "\ud800", "\N{GRINNING FACE}"]
texts = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "text", "x"]), inner)
    ),
    max_leaves=8,
)


@given(texts)
@settings(fuzzed, max_examples=300)
def test_never_raises_and_invents_nothing(text: str) -> None:
    code = extract_code(text)
    assert code is None or code.strip()
    unified = text.replace("\r\n", "\n")
    assert code is None or all(line in unified for line in code.split("\n"))
    assert last_assistant_turn(text) in text


@given(st.lists(json_values, max_size=4))
@settings(fuzzed, max_examples=200)
def test_never_raises_on_messages(messages: list) -> None:
    code = extract_code(messages)
    assert code is None or isinstance(code, str)


@given(st.text(alphabet=st.characters(exclude_characters="`~\r<◁|[")).filter(lambda code: code.strip()))
@settings(fuzzed, max_examples=200)
def test_what_a_fence_holds_comes_back(code: str) -> None:
    kept = re.sub(r"\A\n+|\n+\Z", "", code)
    if kept.strip():
        assert extract_code(f"Sure.\n{F}python\n{code}\n{F}\nDone.") == kept


HOSTILE = {
    "open thoughts": "<think>" * 150_000,
    "closed thoughts": "</think>" * 120_000,
    "fences": "```\n" * 250_000,
    "tagged fences": "```python\n" * 100_000,
    "longer and longer fences": "\n".join("`" * n for n in range(1, 1400)),
    "one line of backticks": "`" * 1_000_000,
    "blank lines": "\n" * 1_000_000,
    "spaces": " " * 1_000_000 + "x",
    "answers": "<answer>" * 120_000,
    "turns": "<|im_start|>assistant" * 50_000,
    "end tokens": "</s><|im_end|>" * 70_000,
    "imports": "import " * 140_000,
    "one long line": "import " + "a." * 500_000,
    "comments above an import": "# x\n" * 200_000 + "import x",
    "carriage returns": "\r" * 1_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_linear_time(name: str) -> None:
    """Twice the text must not take four times as long (with room for noise on a busy machine)."""

    def cost(text: str) -> float:
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            extract_code(text)
            best = min(best, time.process_time() - start)
        return best

    text = HOSTILE[name]
    eighth, whole = cost(text[: len(text) // 8]), cost(text)
    assert whole < 24 * eighth + 0.05, f"{eighth:.4f} s for an eighth, {whole:.4f} s for all"


def test_every_dev_corpus_output_survives_a_fence(dev_rollouts: list[str]) -> None:
    for code in dev_rollouts:
        kept = code.replace("\r\n", "\n").strip("\n")
        if F in code or not kept.strip():
            continue
        assert extract_code(f"The chart:\n\n{F}python\n{code}\n{F}\n") == kept, json.dumps(code)[:300]
