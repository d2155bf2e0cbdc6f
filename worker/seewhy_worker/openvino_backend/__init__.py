"""OpenVINO: networks converted from TensorFlow and compiled for processors.

`openvino` imports `openvino_telemetry`, if it can, and reports its use to a third party. A worker
never does: for the whole process the package cannot be imported, and OpenVINO goes without it.
"""

import sys

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # as importlib documents
