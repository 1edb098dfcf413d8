"""An operator process whose reconcilers only look: `python -m support.engine_main FOLDER`, with settings from FOLDER/settings.json.

A look at an object called `slow` writes FOLDER/looking, and ends when FOLDER/release exists; one at `fatal` ends by a bug. With the
installation `broken` no reconciler can be built.
"""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from goldenami.api.kinds import GOLDEN_IMAGE, Key
from goldenami.controllers import logs, operator
from goldenami.controllers.caretaker import Outcome, Reconciler
from goldenami.controllers.operator import Engine
from goldenami.controllers.settings import Settings
from goldenami.kube.status import write_status


def build(engine: Engine, folder: Path) -> Mapping[str, Reconciler]:
    if engine.settings.installation == "broken":
        raise RuntimeError("no reconciler today")

    def look(key: Key) -> Outcome:
        obj = engine.kubernetes.get(GOLDEN_IMAGE, key.namespace, key.name)
        if obj is None:
            return Outcome(gone=True)
        logs.observe_generation(obj["metadata"]["generation"])
        if key.name == "fatal":
            raise ZeroDivisionError("the words of a bug")
        if key.name == "slow":
            (folder / "looking").touch()
            while not (folder / "release").exists():
                time.sleep(0.02)
        conditions = [{"type": "Ready", "status": "True", "reason": "Succeeded", "message": "looked at", "observedGeneration": 1}]
        for condition in conditions:
            condition["lastTransitionTime"] = "2026-01-01T00:00:00Z"
        write_status(engine.kubernetes, GOLDEN_IMAGE, obj, {"observedGeneration": obj["metadata"]["generation"], "conditions": conditions})
        engine.metrics.set_conditions(key, conditions)
        return Outcome()

    return {GOLDEN_IMAGE.kind: look}


def main() -> int:
    folder = Path(sys.argv[1])
    settings = Settings(**json.loads((folder / "settings.json").read_text()))
    return operator.run(settings, lambda engine: build(engine, folder))


if __name__ == "__main__":
    sys.exit(main())
