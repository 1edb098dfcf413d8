# The operator's image: `docker build -t goldenami:dev .`. The base is an argument, so that a mirror's or a hardened one can take its place; it
# needs Python 3.11 to 3.13 with venv and pip, the same in both stages.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
COPY requirements/runtime.txt /build/runtime.txt
# Without pip of its own: what runs needs none. Compiled now, as nothing can be written later.
RUN python3 -m venv --without-pip /opt/goldenami \
 && python3 -m pip --python /opt/goldenami/bin/python install --no-cache-dir --no-compile --require-hashes --only-binary :all: \
      -r /build/runtime.txt
COPY operator/goldenami /opt/goldenami/app/goldenami
RUN rm -rf /opt/goldenami/app/goldenami/local /opt/goldenami/app/goldenami/cli/demo \
 && /opt/goldenami/bin/python -m compileall -q -j 0 /opt/goldenami

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="goldenami" \
      org.opencontainers.image.description="A Kubernetes operator that keeps golden AMIs copied, shared, published and retired as declared" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/goldenami /opt/goldenami
# HOME is where SDKs look for profiles; it is the one folder that may be written (an emptyDir in deploy/kustomize).
ENV PATH=/opt/goldenami/bin:$PATH PYTHONPATH=/opt/goldenami/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
# A number, so that Kubernetes can see that it is not root's.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["python", "-m", "goldenami"]
CMD ["operator"]
