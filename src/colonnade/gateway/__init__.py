# SPDX-License-Identifier: Apache-2.0
"""HTTP, thin: the OpenAI-compatible API, search, MCP and the console's pages.

It asks a Backend for everything; it opens no store and knows no engine.
"""
