"""verifiers before 0.4 (0.3 keeps it as verifiers.legacy): `Rubric.score_group` calls the functions in order."""

import asyncio
import json
import sys

from stand_ins import stub

folder, given = sys.argv[1], json.loads(sys.argv[2])
sys.path.insert(0, folder)
stub("openai", "anthropic", "renderers", "tenacity")

from verifiers.legacy.rubrics.rubric import Rubric

from chartreward.trainers.verifiers import rubric_functions

rubric = Rubric(*rubric_functions())
states = [
    {"prompt": "draw", "completion": [{"role": "assistant", "content": text}], "answer": given["label"]}
    | {"task": {}, "trajectory": []}
    for text in given["texts"]
]
asyncio.run(rubric.score_group(states))
kept = [{"reward": state["reward"], "metrics": state["metrics"], "error": repr(state.get("error"))} for state in states]
print(json.dumps(kept))
