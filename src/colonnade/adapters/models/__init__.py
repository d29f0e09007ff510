# SPDX-License-Identifier: Apache-2.0
"""Models behind the `models` port: MiniLM on this processor, or an OpenAI-compatible endpoint.

Nothing heavy is imported until a model is opened. No search, no prompt and no citation enters here.
"""
