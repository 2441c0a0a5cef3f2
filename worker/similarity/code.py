"""`code`: how much of the reference's script the generated one repeats, by token trigrams.

F1 over the multisets of token trigrams of the two scripts, comments and layout left out. Source: the n-gram overlap
of BLEU (Papineni et al., ACL 2002) in its symmetric form, n = 3. Tokens are read by a regular expression: the worker
never parses, compiles or imports foreign code. Unavailable where the reference is a picture.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice

from chartreward.models import SignalResult
from chartreward.profiles.options import NoOptions
from worker.similarity.chart import Chart
from worker.similarity.signal import Signal, f1_result, unavailable

MAX_TOKENS = 20_000
TOKEN = re.compile(
    # Each alternative that has begun a token ends one, so that no character is looked at twice: a string that is never
    # closed runs to the end of its line (of the script, with triple quotes), and nothing is given back (`+`, `>`).
    r"""(?P<skip>\#[^\n]*+|\s++)
      | (?:[rbfuRBFU]{0,2})(?>'''(?:.*?'''|.*+)|\"{3}(?:.*?\"{3}|.*+)|'(?:\\.|[^'\\\n])*+'?|"(?:\\.|[^"\\\n])*+"?)
      | \d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+
      | \w+
      | .""",
    re.VERBOSE | re.DOTALL,
)


def tokens(code: str) -> list[str]:
    """The script's words, numbers, strings and signs, in order, without comments and white space."""
    found = (match.group() for match in TOKEN.finditer(code) if match.lastgroup != "skip")
    return list(islice(found, MAX_TOKENS))


def trigrams(chart: Chart) -> Counter[tuple[str, ...]]:
    """Multiset of the script's token trigrams."""
    words = tokens(chart.code or "")
    return Counter(zip(words, words[1:], words[2:], strict=False))


def compare(generated: Chart, reference: Chart, options: NoOptions) -> SignalResult:
    """Trigram F1."""
    if reference.code is None:
        return unavailable("the reference is a picture: it has no script")
    ours, theirs = generated.derive(trigrams), reference.derive(trigrams)
    return f1_result((ours & theirs).total(), ours.total(), theirs.total())


SIGNAL = Signal("code", compare)
