# SPDX-License-Identifier: Apache-2.0
"""What led to what: walks over the refs of the log. Nothing is recorded here, and nobody's rights are judged."""
