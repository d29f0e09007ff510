# SPDX-License-Identifier: Apache-2.0
"""One folder a port, one file an engine: the only place that imports databases, parsers and model engines.

Heavy libraries are imported inside functions. No rule of a room belongs here, only the engine's ways.
"""
