# SPDX-License-Identifier: Apache-2.0
"""The commands, thin: read arguments, call the app, print. No decision is made here."""
