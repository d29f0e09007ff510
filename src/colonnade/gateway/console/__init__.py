# SPDX-License-Identifier: Apache-2.0
"""The console: what a person sees in the browser, as plain HTML that needs no script to be read.

Each page is a function from a `Visit` (who, where, what was typed) to a `Reply`; `routes.make_console` hands them the
requests.
No engine, no SQL and no decision about rights is made here: pages ask the `Backend` and word what it gives.
"""
