# SPDX-License-Identifier: Apache-2.0
"""Predictions for a whole file, however long: read, asked in batches, written in order, gone on with after a kill.

    rows      a file -> its rows with their line numbers, one batch after the other
    asking    one batch -> an answer or a reason a row, by HTTP; what is refused for now is asked again
    answers   answers in order -> a file; where it stands is kept beside it
    doing     the three put together

A file is never held in memory as a whole, and no row is lost: each has one row in the output, an answer or the reason
why there is none.
"""
