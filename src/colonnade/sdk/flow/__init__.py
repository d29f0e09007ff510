# SPDX-License-Identifier: Apache-2.0
"""Pipelines in Python: a decorated function is a step, and calling steps within a pipeline says what is made of what.

    from colonnade import pipeline, step

    @step(retries=2)
    def train(rows: Path, ridge: float) -> dict: ...

    @pipeline
    def nightly(ridge: float = 1.0):
        return train(Path("data/rows.csv"), ridge)

Standard library only; nothing here imports a numerical library, or knows the house's insides.
"""

from colonnade.sdk.flow.steps import Pipeline, Promise, Step, each, pipeline, step

__all__ = ["Pipeline", "Promise", "Step", "each", "pipeline", "step"]
