# SPDX-License-Identifier: Apache-2.0
"""What other people's programs tell of their runs: groups of runs, parameters, series, files, models, aliases.

The words are MLflow's, the nouns are ours: a run is a Run, a file an Artifact, an alias a Name. No HTTP here.
"""
