# SPDX-License-Identifier: Apache-2.0
"""The `tuner` port by Optuna's tree-structured Parzen estimator (Bergstra et al., 2011), by ask and tell. The study is
built anew from what was tried each time, so that our rows are its only storage. Imported when a search begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from colonnade.core.errors import MissingExtra
from colonnade.ports.outside.tuner import Range, Space, Tried


class OptunaTuner:
    """Implements `Tuner`."""

    def propose(self, space: Space, tried: Sequence[Tried], *, maximize: bool, seed: int) -> dict[str, Any]:
        """See `Tuner.propose`."""
        try:
            import optuna
        except ImportError as error:
            raise MissingExtra("a search needs Optuna", hint="pip install 'colonnade[tune]'") from error
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(
            seed=(seed + len(tried)) % (1 << 31), constant_liar=True, n_startup_trials=8
        )
        study = optuna.create_study(direction="maximize" if maximize else "minimize", sampler=sampler)
        spread = {name: _distribution(optuna.distributions, one) for name, one in space.items()}
        states = optuna.trial.TrialState
        for one in tried:
            state = states.RUNNING if one.running else states.FAIL if one.value is None else states.COMPLETE
            study.add_trial(
                optuna.trial.create_trial(
                    params=dict(one.parameters), distributions=spread, value=one.value, state=state
                )
            )
        found: dict[str, Any] = study.ask(spread).params
        return found


def _distribution(kinds: Any, one: Range | tuple[Any, ...]) -> Any:
    if isinstance(one, tuple):
        return kinds.CategoricalDistribution(one)
    kind = kinds.IntDistribution if one.whole else kinds.FloatDistribution
    return kind(one.low, one.high, log=one.log)
