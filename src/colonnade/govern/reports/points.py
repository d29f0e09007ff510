# SPDX-License-Identifier: Apache-2.0
"""The points of Annex IV to Regulation (EU) 2024/1689 (AI Act), in short, and what would fill each. Text as data.

The wording of the law is longer: OJ L, 2024/1689, 12.7.2024, http://data.europa.eu/eli/reg/2024/1689/oj. Nothing here
says whether a system is high risk, or whether what stands under a point is enough.
"""

from __future__ import annotations

from dataclasses import dataclass

LAW = "Regulation (EU) 2024/1689, Article 11(1) and Annex IV"
DATES = (
    "Obligations for high-risk systems apply from 2 December 2027 (Annex III) and 2 August 2028 (Annex I), after the "
    "Omnibus of 2026; those on transparency (Article 50) since 2 August 2026. This is documentation, not legal advice: "
    "whether a system is high risk, and whether this is enough, is for its provider to decide."
)


@dataclass(frozen=True, slots=True)
class Point:
    """A point or a letter. `asks`: what a text of the register under it says; "" where a heading asks nothing."""

    point: str
    title: str
    asks: str = ""
    law: str = ""


POINTS = (
    Point("1", "General description of the AI system"),
    Point("1a", "Intended purpose, provider, version in its relation to previous versions"),
    Point("1b", "How it interacts with hardware and software, also with other AI systems, that are not part of it",
          "what it interacts with"),
    Point("1c", "Versions of relevant software or firmware, requirements on updates", "what an update must keep"),
    Point("1d", "Forms in which it is placed on the market or put into service",
          "how it is put into service: package, download, API"),
    Point("1e", "Hardware on which it is intended to run", "on which hardware it is to run"),
    Point("1f", "Where it is a component of products: pictures of their outside, marking and inside",
          "where its pictures are, or that it is no component of a product"),
    Point("1g", "Basic description of the user interface provided to the deployer", "what the deployer sees"),
    Point("1h", "Instructions for use for the deployer", "how it is to be used, or where that stands", "Article 13"),
    Point("2", "Elements of the AI system and the process of its development"),
    Point("2a", "Methods and steps of development, pre-trained systems and tools of third parties",
          "which methods, tools and pre-trained systems were used, and how"),
    Point("2b", "Design specifications: logic, algorithms, key choices with rationale and assumptions, what it is "
          "optimised for, expected output, trade-offs",
          "the general logic, the choices with their reasons, for whom it is meant, what was traded for what"),
    Point("2c", "Architecture, and the computational resources used to develop, train, test and validate",
          "how its parts build on each other"),
    Point("2d", "Data requirements: training data sets, their provenance, scope and characteristics, how they were "
          "obtained and selected, labelling, cleaning", "how the data were obtained, selected, labelled and cleaned",
          "Article 10"),
    Point("2e", "Human oversight measures needed, technical measures that help to interpret outputs",
          "who oversees it, how they can interpret and stop it", "Articles 13(3)(d) and 14"),
    Point("2f", "Pre-determined changes to the system and its performance, and what keeps it compliant through them",
          "which changes were foreseen, and how compliance is kept"),
    Point("2g", "Validation and testing: data used, metrics for accuracy, robustness and discriminatory impacts, test "
          "logs and reports dated and signed by the responsible persons", "who is responsible for the tests"),
    Point("2h", "Cybersecurity measures", "which measures are taken", "Article 15"),
    Point("3", "Monitoring, functioning and control: capabilities and limitations, accuracy for specific groups and "
          "overall, foreseeable unintended outcomes and risks, human oversight, input data",
          "its limitations, foreseeable unintended outcomes and sources of risk", "Articles 13 and 14"),
    Point("4", "Appropriateness of the performance metrics for this system", "why these metrics fit"),
    Point("5", "Risk management system", "the risks found, what was done about them, what remains", "Article 9"),
    Point("6", "Relevant changes through its lifecycle", "changes beyond those that the log has"),
    Point("7", "Harmonised standards applied; where none, the solutions adopted instead",
          "which standards are applied, in full or in part"),
    Point("8", "Copy of the EU declaration of conformity", "where it is", "Article 47"),
    Point("9", "System to evaluate performance in the post-market phase, with the post-market monitoring plan",
          "the post-market monitoring plan", "Article 72"),
)  # fmt: skip
BY_POINT = {one.point: one for one in POINTS}
ASKING = tuple(one.point for one in POINTS if one.asks)
"""Points under which the register of use cases may say something."""
