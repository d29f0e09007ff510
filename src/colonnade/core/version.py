# SPDX-License-Identifier: Apache-2.0
"""The version of Colonnade, as `pyproject.toml` says it. Apart from the package itself, so that what is below the
library for users can name it. Nothing else enters.
"""

__version__ = "0.1.0"
