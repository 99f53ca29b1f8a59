"""tf2_msgs/TFMessage: that of an installed ROS 2; without one, which no package from pip brings, one made here.

A publisher of serialised messages needs of its type: the name, the description of the fields for the middleware, and
the hash. They are made from those of visualization_msgs/MarkerArray, which is one sequence as well, and of the
TransformStamped in the sequence. The structures are those of rosidl (rosidl_runtime_c/message_type_support_struct.h,
rosidl_typesupport_introspection_c/message_introspection.h, rosidl_typesupport_fastrtps_c) in ROS 2 Jazzy.
"""

from __future__ import annotations

import ctypes
from typing import Any

from geometry_msgs.msg import TransformStamped
from visualization_msgs.msg import MarkerArray

FASTRTPS, INTROSPECTION = b"rosidl_typesupport_fastrtps_c", b"rosidl_typesupport_introspection_c"
HASH = bytes.fromhex("e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087")  # of REP-2016


class _Support(ctypes.Structure):
    """rosidl_message_type_support_t."""


_Select = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(_Support), ctypes.c_char_p)
_Support._fields_ = [
    ("identifier", ctypes.c_char_p),
    ("data", ctypes.c_void_p),
    ("select", _Select),
    ("hash", ctypes.c_void_p),
    ("description", ctypes.c_void_p),
    ("sources", ctypes.c_void_p),
]


class _Callbacks(ctypes.Structure):
    """message_type_support_callbacks_t; a publisher of serialised messages calls none of the functions."""

    _fields_ = [("package", ctypes.c_char_p), ("name", ctypes.c_char_p), ("functions", ctypes.c_void_p * 5)]


class _Member(ctypes.Structure):
    """rosidl_typesupport_introspection_c__MessageMember."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("kind", ctypes.c_uint8),
        ("bound", ctypes.c_size_t),
        ("members", ctypes.c_void_p),
        ("rest", ctypes.c_void_p * 10),
    ]


class _Members(ctypes.Structure):
    """rosidl_typesupport_introspection_c__MessageMembers."""

    _fields_ = [
        ("package", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
        ("count", ctypes.c_uint32),
        ("size", ctypes.c_size_t),
        ("keyed", ctypes.c_bool),
        ("members", ctypes.POINTER(_Member)),
        ("functions", ctypes.c_void_p * 2),
    ]


class _Hash(ctypes.Structure):
    """rosidl_type_hash_t."""

    _fields_ = [("version", ctypes.c_uint8), ("value", ctypes.c_uint8 * 32)]


class _Composed:
    """The structures of the type, which have to outlive every publisher."""

    def __init__(self) -> None:
        sequence, element = _support(MarkerArray), _support(TransformStamped)
        self._hash = _Hash(1, (ctypes.c_uint8 * 32)(*HASH))
        self._give_hash = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(lambda _: ctypes.addressof(self._hash))
        self._select = _Select(lambda _, wanted: self._addresses.get(wanted))
        fast, described = (_Support.from_address(sequence.select(sequence, kind)) for kind in (FASTRTPS, INTROSPECTION))
        self._callbacks = _Callbacks.from_buffer_copy(_Callbacks.from_address(fast.data))
        self._callbacks.package, self._callbacks.name = b"tf2_msgs::msg", b"TFMessage"
        self._members = _Members.from_buffer_copy(_Members.from_address(described.data))
        self._member = _Member.from_buffer_copy(self._members.members[0])
        self._member.name, self._member.members = b"transforms", element.select(element, INTROSPECTION)
        self._members.package, self._members.name = b"tf2_msgs__msg", b"TFMessage"
        self._members.members = ctypes.pointer(self._member)
        self._fast, self._described = self._changed(fast, self._callbacks), self._changed(described, self._members)
        self._addresses = {FASTRTPS: ctypes.addressof(self._fast), INTROSPECTION: ctypes.addressof(self._described)}

    def _changed(self, support: _Support, data: ctypes.Structure) -> _Support:
        changed = _Support.from_buffer_copy(support)
        changed.data, changed.select = ctypes.addressof(data), self._select
        changed.hash = ctypes.cast(self._give_hash, ctypes.c_void_p)
        return changed

    def type(self) -> type:
        """A message type that rclpy takes for publishers and subscriptions of serialised messages."""
        known = type(MarkerArray)
        names = ("_CREATE_ROS_MESSAGE", "_CONVERT_FROM_PY", "_CONVERT_TO_PY", "_DESTROY_ROS_MESSAGE")
        content = {name: getattr(known, name) for name in names}
        content["_TYPE_SUPPORT"] = _new_capsule(self._addresses[FASTRTPS], None, None)
        return type("Metaclass_TFMessage", (type,), content)("TFMessage", (), {})


_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype, _new_capsule.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


def _support(message: Any) -> _Support:
    type(message).__import_type_support__()
    return _Support.from_address(_pointer(type(message)._TYPE_SUPPORT, None))


try:
    from tf2_msgs.msg import TFMessage  # pyright: ignore[reportMissingImports]
except ImportError:
    _COMPOSED = _Composed()
    TFMessage = _COMPOSED.type()
