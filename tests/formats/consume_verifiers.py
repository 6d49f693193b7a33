"""Run in an environment with verifiers by test_consumers.py: scores answers with the released environment package."""

import asyncio
import json
import sys

import verifiers.v1 as vf
from verifiers.v1.utils.loaders import load_taskset, taskset_class


def main(answers: list[str]) -> None:
    package = sys.modules[taskset_class("kodcode_env").__module__]
    scores = {}
    for task in load_taskset(package.KodcodeConfig(id="kodcode_env")):
        scores[task.data.id] = []
        for answer in answers:
            trace = vf.Trace(
                task=vf.TraceTask(type=type(task).__name__, data=task.data),
                agent=vf.AgentInfo(config=vf.AgentConfig()),
                root_reply=answer,
            )
            asyncio.run(task.score(trace))
            scores[task.data.id].append(trace.reward)
    print(json.dumps(scores))


main(sys.argv[1:])
