# mmdet-flow on CPU: both environments and the workflow. docs/container.md describes it.
#
#   make image

ARG BASE=debian:bookworm-slim

# The environments; the compiler stays here. A change of the project builds nothing of
# this again, unless it is one of the locks or of the commands.
FROM $BASE AS build
RUN apt-get -qq update \
 && apt-get -qq install --no-install-recommends \
    binutils g++ python3 python3-dev python3-venv >/dev/null
WORKDIR /opt/mmdet-flow
COPY envs/setup.sh envs/main.txt envs/wai-annotations.txt envs/uv.txt \
  envs/exec_in_frame.py envs/
COPY envs/stand-ins envs/stand-ins
COPY pyproject.toml .
COPY scripts/mmdet_flow/__init__.py scripts/mmdet_flow/
# An index that has the CPU build of torch; envs/setup.sh tells more.
ARG TORCH_INDEX
RUN envs/setup.sh --no-dev || { tail -n 20 .venv/setup/*.log; exit 1; }
COPY envs/sbom.txt envs/
RUN python3 -m venv /opt/sbom && /opt/sbom/bin/pip install -q --no-deps -r envs/sbom.txt
COPY envs/slim.sh envs/
RUN envs/slim.sh

FROM build AS project
COPY . /project
RUN chmod -R a+rX,go-w /project \
 && python3 -m compileall -q -s /project -p "$PWD" /project/scripts

FROM $BASE AS packages
RUN apt-get -qq update \
 && apt-get -qq install --no-install-recommends ca-certificates python3 >/dev/null \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/*
WORKDIR /opt/mmdet-flow
COPY --from=build /opt/mmdet-flow/.venv .venv
COPY --from=build /opt/mmdet-flow/.venv-wai .venv-wai

# The small image: it predicts, and serves, models that have their deployable form.
#
#   make image-predict
FROM $BASE AS build-predict
RUN apt-get -qq update \
 && apt-get -qq install --no-install-recommends binutils python3 python3-venv >/dev/null
WORKDIR /opt/mmdet-flow
COPY envs/setup-predict.sh envs/predict.txt envs/
COPY pyproject.toml LICENSE ./
COPY scripts scripts
RUN envs/setup-predict.sh --slim \
 && find .venv-predict -name '*.so*' -type f ! -path '*.libs/*' \
    -exec strip --strip-unneeded {} + \
 && chmod -R a+rX,go-w .

FROM $BASE AS predict
RUN apt-get -qq update \
 && apt-get -qq install --no-install-recommends python3 >/dev/null \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/*
WORKDIR /opt/mmdet-flow
COPY --from=build-predict /opt/mmdet-flow .
RUN mkdir -m 1777 /.cache /workspace
ENV PATH=/opt/mmdet-flow/.venv-predict/bin:$PATH \
    PYTHONNOUSERSITE=1 \
    HOME=/.cache \
    XDG_CACHE_HOME=/.cache
VOLUME /.cache
WORKDIR /workspace
CMD ["bash"]
ARG VERSION
ARG REVISION
ARG SOURCE
LABEL org.opencontainers.image.title=mmdet-flow-predict \
      org.opencontainers.image.description="Predict with MMDetection models on CPU" \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.source=$SOURCE

# What is in the image, found where it is.
FROM packages AS sbom
COPY --from=build /opt/sbom /opt/sbom
COPY envs/sbom.py .
RUN /opt/sbom/bin/python sbom.py --environment .venv .venv-wai --output /sbom.cdx.json

FROM packages
COPY --from=sbom /sbom.cdx.json .
COPY --from=project /project .
# Any user may run it, also one without a name or a home, and with all else read-only.
RUN mkdir -m 1777 /.cache /workspace
ENV PATH=/opt/mmdet-flow/.venv/bin:$PATH \
    PYTHONNOUSERSITE=1 \
    HOME=/.cache \
    XDG_CACHE_HOME=/.cache \
    MPLCONFIGDIR=/.cache/matplotlib \
    USER=mmdet \
    SNAKEMAKE_PROFILE=/opt/mmdet-flow/profiles/image
# Weights to start from, of which the image is a mirror: the cache is not in it.
ARG WEIGHTS
ARG MMDET_FLOW_MIRRORS
RUN [ -z "$WEIGHTS" ] || MMDET_FLOW_CACHE=/opt/mmdet-flow mmdet-flow weights get $WEIGHTS
ENV MMDET_FLOW_MIRRORS=file:/opt/mmdet-flow/weights
VOLUME /.cache
WORKDIR /workspace
CMD ["bash"]
ARG VERSION
ARG REVISION
ARG SOURCE
LABEL org.opencontainers.image.title=mmdet-flow \
      org.opencontainers.image.description="Train and run MMDetection models on CPU" \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.source=$SOURCE
