# SPDX-License-Identifier: Apache-2.0
"""The command line: thin. Each command is one module, imported only when it is called; engines and rooms are reached
through `app`.
"""
