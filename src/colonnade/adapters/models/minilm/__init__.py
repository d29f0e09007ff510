# SPDX-License-Identifier: Apache-2.0
"""BERT sentence encoders on onnxruntime and numpy alone: no torch, no onnx, no tokenizers, no network."""
