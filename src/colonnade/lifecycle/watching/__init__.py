# SPDX-License-Identifier: Apache-2.0
"""Watches over what is served: keeps requests and answers, joins truths to them, notices when answers go wrong, and
says when a model is to be trained anew. It knows no detector's mathematics and trains nothing.
"""
