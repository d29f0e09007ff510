# SPDX-License-Identifier: Apache-2.0
"""MLflow's REST API, as its clients speak it, over the house's tracking. No rule about runs or models here."""
