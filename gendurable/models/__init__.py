"""The tables of the engine as mapped classes."""

from gendurable.models.base import NOW, SCHEMA, STATUS, Base
from gendurable.models.instance import Instance
from gendurable.models.limit import Bucket, Limit
from gendurable.models.node import Installation, Node
from gendurable.models.pause import Pause
from gendurable.models.signal import StoredSignal
from gendurable.models.transition import Transition

__all__ = [
    "NOW",
    "SCHEMA",
    "STATUS",
    "Base",
    "Bucket",
    "Installation",
    "Instance",
    "Limit",
    "Node",
    "Pause",
    "StoredSignal",
    "Transition",
]
