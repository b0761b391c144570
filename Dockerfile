# mmdet-flow on CPU. Build: docker build -t mmdet-flow .
# The compiler stays in the first stage.
FROM debian:bookworm-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ python3 python3-dev python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/mmdet-flow
COPY . .
RUN envs/setup.sh

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/mmdet-flow /opt/mmdet-flow
ENV PATH=/opt/mmdet-flow/.venv/bin:$PATH \
    PYTHONNOUSERSITE=1 \
    XDG_CACHE_HOME=/.cache
RUN mkdir -m 1777 /.cache /workspace
WORKDIR /workspace
CMD ["bash"]
