# SPDX-License-Identifier: Apache-2.0
"""When what is served has changed. One detector a file; none of them reads a clock, a database or a network."""
