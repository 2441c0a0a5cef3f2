"""From what a language model wrote to the Python code it meant.

    >>> extract_code("Here it is:\\n```python\\nimport matplotlib.pyplot as plt\\n```\\nEnjoy!")
    'import matplotlib.pyplot as plt'

Everything here is a single pass over the text, without backtracking patterns: the text is hostile, up to a megabyte
long, and is read inside the service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple


class Template(NamedTuple):
    """What opens and what ends an assistant's turn in a chat template."""

    name: str
    opening: str
    ends: tuple[str, ...]


TEMPLATES = (
    Template("phi4", "<|im_start|>assistant<|im_sep|>", ("<|im_end|>", "<|endoftext|>")),
    Template("chatml", "<|im_start|>assistant", ("<|im_end|>", "<|endoftext|>", "<|im_start|>")),
    Template(
        "llama3", "<|start_header_id|>assistant<|end_header_id|>", ("<|eot_id|>", "<|eom_id|>", "<|end_of_text|>")
    ),
    Template("llama4", "<|header_start|>assistant<|header_end|>", ("<|eot|>", "<|eom|>", "<|end_of_text|>")),
    Template("gemma", "<start_of_turn>model", ("<end_of_turn>", "<eos>")),
    Template("phi", "<|assistant|>", ("<|end|>", "<|endoftext|>", "<|user|>")),
    Template("deepseek", "<｜Assistant｜>", ("<｜end▁of▁sentence｜>", "<｜User｜>")),
    Template("harmony", "<|channel|>final<|message|>", ("<|return|>", "<|end|>")),
    Template("mistral", "[/INST]", ("</s>", "[INST]")),
)
PADDING = ("<pad>", "<|pad|>", "<unk>", "</s>", "<｜▁pad▁｜>", "<|finetune_right_pad_id|>")
TRAILING = tuple(dict.fromkeys([end for template in TEMPLATES for end in template.ends] + list(PADDING)))
THOUGHTS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("◁think▷", "◁/think▷"),
)
PYTHON_TAGS = frozenset(
    {"python", "py", "python3", "py3", "ipython", "ipython3", "{python}", "{.python}", "matplotlib"}
)


def extract_code(completion: str | Sequence[Any]) -> str | None:
    """Return the Python code of a completion, or `None` when it holds none. Never raises.

    `completion` is a raw string (chat template and special tokens included or not) or a list of chat messages, of
    which the last assistant message counts. Thoughts are dropped; a thought that never ends has no answer after it.
    Inside `<answer>`, or else in the whole text, the last complete fenced block tagged python, py or nothing wins;
    then an unclosed one (a truncated completion); then text without fences that imports something.
    """
    text = _without_thoughts(last_assistant_turn(completion_text(completion)).replace("\r\n", "\n"))
    answer = _answer(text)
    if answer is not None:
        code = _fenced(answer) or _bare(answer)
        if code is not None:
            return code
    return _fenced(text) or _bare(text)


def completion_text(completion: object) -> str:
    """Return a completion as one string: itself, or the text of the last assistant message of a list. Never raises.

    Messages are dicts or objects with `role` and `content` (a string, or parts with `text`), or plain strings.
    """
    if isinstance(completion, str):
        return completion
    chosen: object = None
    for message in completion if isinstance(completion, Sequence) else ():
        if isinstance(message, str):
            chosen = message
            continue
        get = message.get if isinstance(message, Mapping) else partial(getattr, message)
        if get("role", "assistant") in ("assistant", "model"):
            chosen = get("content", None)
    if isinstance(chosen, str):
        return chosen
    parts: list[object] = []
    for part in chosen if isinstance(chosen, Sequence) else ():
        parts.append(part.get("text") if isinstance(part, Mapping) else getattr(part, "text", part))
    return "".join(part for part in parts if isinstance(part, str))


def last_assistant_turn(query: str) -> str:
    """Return what the assistant said last in a templated conversation, without special tokens at its end.

    Works on prompt and response decoded together (`query` of OpenRLHF), where thousands of image pads make the prompt
    differ from the one that was sent. Text without a known template comes back as it is, less trailing end tokens.
    """
    start = 0
    ends: tuple[str, ...] = ()
    for template in TEMPLATES:
        found = query.rfind(template.opening)
        if found >= 0 and found + len(template.opening) > start:
            start, ends = found + len(template.opening), template.ends
    stop = len(query)
    for end in ends:
        found = query.find(end, start, stop)
        if found >= 0:
            stop = found
    turn = query[start : _trimmed_stop(query, start, stop)]
    return turn.lstrip("\n") if start else turn


def _trimmed_stop(text: str, start: int, stop: int) -> int:
    """Move `stop` left over trailing special tokens and the white space between them."""
    trimmed = True
    while trimmed:
        trimmed = False
        while stop > start and text[stop - 1].isspace():
            stop -= 1
        for token in TRAILING:
            while text.endswith(token, start, stop):
                stop -= len(token)
                trimmed = True
    return stop


def _without_thoughts(text: str) -> str:
    for opening, closing in THOUGHTS:
        end = text.rfind(closing)
        if end >= 0:
            text = text[end + len(closing) :]
        start = 0 if text.lstrip().startswith(opening) else text.find("\n" + opening)
        if start >= 0:
            text = text[:start]
    return text


def _answer(text: str) -> str | None:
    start = text.rfind("<answer>")
    if start < 0:
        return None
    end = text.find("</answer>", start)
    return text[start + len("<answer>") : end if end >= 0 else len(text)]


class _Block(NamedTuple):
    tag: str
    lines: list[str]
    complete: bool

    @property
    def code(self) -> str:
        return "\n".join(self.lines).strip("\n")


def _fenced(text: str) -> str | None:
    python: str | None = None  # the last complete block that says it is Python, or looks like it
    plain: str | None = None  # the last complete block without a tag
    unclosed: str | None = None
    for block in _blocks(text):
        if block.tag not in PYTHON_TAGS and block.tag:
            continue
        code = block.code
        if not code.strip():
            continue
        if not block.complete:
            unclosed = code
        elif block.tag or _first_import(block.lines) is not None:
            python = code
        else:
            plain = code
    return python or plain or unclosed


def _blocks(text: str) -> Iterator[_Block]:
    """Walk over the fenced blocks. More forgiving than CommonMark, as models are.

    An opening fence may follow prose on its line, a closing one may be glued to code or followed by prose, and a
    tagged fence inside an open block starts over.
    """
    fence = ""  # "" outside; else the run of ` or ~ that opened the block
    tag, indent = "", 0
    lines: list[str] = []
    for line in text.split("\n"):
        stripped = line.strip()
        if not fence:
            opening = _opening(stripped, anywhere=True)
            if opening:
                (fence, tag), indent, lines = opening, len(line) - len(line.lstrip()), []
            continue
        if stripped.startswith(fence):
            restart = _opening(stripped, anywhere=False)
            again = restart is not None and restart[1] in PYTHON_TAGS
            yield _Block(tag, lines, complete=not again)
            fence, lines = "", []
            if restart is not None and again:
                (fence, tag), indent = restart, len(line) - len(line.lstrip())
        elif stripped.endswith(fence):
            lines.append(_unindented(line.rstrip().rstrip(fence[0]), indent))
            yield _Block(tag, lines, complete=True)
            fence, lines = "", []
        elif fence[0] == "`" and len(fence) > 3 and (restart := _opening(stripped, anywhere=False)) and restart[1]:
            (fence, tag), indent, lines = restart, len(line) - len(line.lstrip()), []  # ```python inside ````markdown
        else:
            lines.append(_unindented(line, indent))
    if fence:
        yield _Block(tag, lines, complete=False)


def _opening(stripped: str, *, anywhere: bool) -> tuple[str, str] | None:
    """Return (fence, lower-case tag) when the line opens a block, else `None`."""
    for mark in ("`", "~"):
        at = stripped.find(mark * 3) if anywhere and mark == "`" else 0
        if at < 0 or not stripped.startswith(mark * 3, at):
            continue
        rest = stripped[at:].lstrip(mark)
        info = rest.strip()
        if mark in info or (at > 0 and info != rest):
            continue  # inline code, or a fence in the middle of a sentence
        words = info.split(None, 1)
        if len(words) == 2 and words[0].lower() not in PYTHON_TAGS and not words[1].startswith(("{", "title", "line")):
            continue  # prose after a closing fence
        return mark * (len(stripped) - at - len(rest)), words[0].lower() if words else ""
    return None


def _unindented(line: str, indent: int) -> str:
    kept = len(line) - len(line.lstrip(" \t"))
    return line[min(indent, kept) :]


def _bare(text: str) -> str | None:
    """Code without a fence: from the first import (and the comments above it) to the end."""
    lines = text.split("\n")
    start = _first_import(lines)
    if start is None:
        return None
    while start > 0 and (not lines[start - 1].strip() or lines[start - 1].startswith("#")):
        start -= 1
    return "\n".join(lines[start:]).strip("\n")


def _first_import(lines: list[str]) -> int | None:
    for number, line in enumerate(lines):
        words = line[:400].split(None, 4)
        if len(words) < 2 or words[0] not in {"import", "from"}:
            continue
        module = words[1].rstrip(",;")
        named = words[2] if len(words) > 2 else "as"
        if not all(part.isidentifier() for part in module.split(".")):
            continue
        if words[0] == "from" and named == "import":
            return number
        if words[0] == "import" and (module != words[1] or named == "as" or named[0] in "#,;"):
            return number
    return None
