# syntax=docker/dockerfile:1
#
# The Lingraft server on CPU or GPU, without torch. A bundle is mounted at /models.
#
#   docker build --target server-cpu -t lingraft-server:cpu .
#   docker build --target server-gpu -t lingraft-server:gpu .
#   docker run --stop-timeout 30 -p 50051:50051 -v "$PWD/bundle:/models:ro" lingraft-server:cpu
#   docker run --stop-timeout 30 -p 50051:50051 -v "$PWD/bundle:/models:ro" --gpus all lingraft-server:gpu
#
# Several bundles are named after the image (/models/a /models/b). Every flag of lingraft-server is
# also a variable (-e LINGRAFT_THREADS=4). Leave the port inside as it is, the health check asks
# there, and map another one outside. The stop timeout must exceed LINGRAFT_GRACE_S (20 seconds).

# Any image with Python 3.11 or newer, venv and pip.
ARG BASE_CPU=python:3.12-slim-bookworm
# Any image with apt, Python 3.11 or newer in it, and the CUDA (13) and cuDNN (9) of the
# onnxruntime-gpu in constraints.txt.
ARG BASE_GPU=nvidia/cuda:13.0.1-cudnn-runtime-ubuntu24.04


# The wheel holds what the server needs and the client, which checks its health.
# The compiler is for the server's own operators, which run on any x86-64 that has AVX2.
FROM ${BASE_CPU} AS wheel
WORKDIR /source
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ libc6-dev
COPY constraints.txt .
RUN python3 -m venv /build \
    && /build/bin/pip install --no-cache-dir --constraint constraints.txt hatchling
COPY pyproject.toml README.md LICENSE ./
COPY protos/gen protos/gen
COPY client client
COPY server server
RUN if [ "$(uname -m)" = x86_64 ]; then export LINGRAFT_KERNELS=required; fi \
    && /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .


FROM ${BASE_CPU} AS cpu-installed
COPY constraints.txt /wheels/
COPY --from=wheel /wheels/*.whl /wheels/
RUN python3 -m venv /opt/lingraft \
    && /opt/lingraft/bin/pip install --no-cache-dir --constraint /wheels/constraints.txt \
        "$(echo /wheels/*.whl)[server]" \
    && /opt/lingraft/bin/pip uninstall --yes pip


FROM ${BASE_GPU} AS gpu-python
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/*


# CUDA and cuDNN are those of the base image: the extras of lingraft[server-gpu], which bring them
# once more by pip, are left out.
FROM gpu-python AS gpu-installed
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv
COPY constraints.txt /wheels/
COPY --from=wheel /wheels/*.whl /wheels/
RUN python3 -m venv /opt/lingraft \
    && /opt/lingraft/bin/pip install --no-cache-dir --constraint /wheels/constraints.txt \
        "$(echo /wheels/*.whl)[serving]" onnxruntime-gpu \
    && /opt/lingraft/bin/pip uninstall --yes pip


FROM gpu-python AS server-gpu
COPY --from=gpu-installed /opt/lingraft /opt/lingraft
ENV PATH=/opt/lingraft/bin:$PATH \
    LINGRAFT_HOST=0.0.0.0 \
    LINGRAFT_BUNDLES=/models \
    LINGRAFT_PROVIDER=cuda
USER 10001:10001
EXPOSE 50051
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s \
    CMD ["lingraft", "health", "--server", "127.0.0.1:50051", "--timeout-s", "5"]
ENTRYPOINT ["lingraft-server"]


# Last, so that `docker build .` makes it.
FROM ${BASE_CPU} AS server-cpu
COPY --from=cpu-installed /opt/lingraft /opt/lingraft
ENV PATH=/opt/lingraft/bin:$PATH \
    LINGRAFT_HOST=0.0.0.0 \
    LINGRAFT_BUNDLES=/models \
    LINGRAFT_PROVIDER=cpu
USER 10001:10001
EXPOSE 50051
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s \
    CMD ["lingraft", "health", "--server", "127.0.0.1:50051", "--timeout-s", "5"]
ENTRYPOINT ["lingraft-server"]
