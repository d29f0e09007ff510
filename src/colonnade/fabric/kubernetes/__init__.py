# SPDX-License-Identifier: Apache-2.0
"""The same declaration, said in Kubernetes' words. Pure: values in, objects out.

Nothing here talks to a cluster, reads a file or writes YAML, and nothing is promised that the cluster does not keep:
what it cannot enforce is an annotation of the object and a warning.
"""
