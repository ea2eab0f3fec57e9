"""A machine drawn as read from its code: which step leads where, on what, and until when.

``read`` looks at the source of the steps and runs nothing. What it finds can be printed as a
Mermaid diagram or as an SVG picture.
"""

from gendurable.graph.drawing import DONE, FAILED, STYLE, svg
from gendurable.graph.nouns import Edge, Graph, Node, Problem
from gendurable.graph.reading import read
from gendurable.graph.senders import unsent
from gendurable.graph.writing import mermaid

__all__ = [
    "DONE",
    "FAILED",
    "STYLE",
    "Edge",
    "Graph",
    "Node",
    "Problem",
    "mermaid",
    "read",
    "svg",
    "unsent",
]
