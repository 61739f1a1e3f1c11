#!/bin/sh
# install.sh ROLE VARIANT: installs what a role imports into /opt/tandem/venv, by the builder's own pip, in the versions
# that the tests were run with.
set -eu
cd /build
python3 requirements.py "$1" "$2" >requirements.txt
python3 -m pip --python /opt/tandem/venv/bin/python install --disable-pip-version-check \
    --only-binary=:all: --find-links /wheels --constraint constraints.txt --requirement requirements.txt
# OpenVINO runs ONNX files on the CPU here: its plugins for other devices and its readers of other formats are 70 MB, the
# onnx package's test data another 17. Sources and headers are for those who compile.
cd /opt/tandem/venv/lib/python3.*/site-packages
rm -rf onnx/backend/test openvino/include openvino/cmake
if [ -d onnx ]; then find onnx -name '*.cc' -o -name '*.h' -o -name '*.proto' | xargs rm -f; fi
for name in cache.json intel_gpu_plugin intel_npu_plugin intel_npu_compiler tensorflow_frontend tensorflow_lite_frontend \
    pytorch_frontend paddle_frontend gguf_frontend jax_frontend; do
    rm -f openvino/libs/*"$name"*
done
