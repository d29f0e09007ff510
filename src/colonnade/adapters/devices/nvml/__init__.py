# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's devices through NVML (the extra `gpu`): what there is, how it fares, and how a share is kept.

Written against the documented interfaces, tested with a fake that is driven by the header's own table; where it has not
run on hardware yet, docs/concepts/isolation.md says so. `pynvml` is imported in `library.py` only, and late.
"""
