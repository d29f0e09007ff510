# SPDX-License-Identifier: Apache-2.0
"""Pictures as PNG: a small honest chart drawer over Pillow, which is imported only when something is drawn.

`chart.chart(title, panels) -> bytes` is all that others call; `simulation` makes the panels of `colonnade simulate`.
"""
