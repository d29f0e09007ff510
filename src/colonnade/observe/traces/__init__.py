# SPDX-License-Identifier: Apache-2.0
"""What requests, runs and steps took: kept in sealed pieces, told in OpenTelemetry's words, heard from others.

No HTTP here: whoever sends and receives hands bytes in and takes bytes out.
"""
