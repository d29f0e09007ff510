# SPDX-License-Identifier: Apache-2.0
"""Sources become contents, documents and versions: look (walk), decide (plan), act (apply), under a row lease."""
