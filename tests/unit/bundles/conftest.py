"""These tests need OpenVINO, which has no wheels for some machines."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("openvino") else ["test_*.py"]
