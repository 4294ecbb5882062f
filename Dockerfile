# The study in a container, without a GPU:
#   docker build -t timedistill .
#   mkdir -p build                                                           else Docker makes it root's
#   docker run --rm -v "$PWD/build:/study/build" timedistill                 make reproduce, into ./build, by user 1000
#   docker run --rm timedistill .venv/bin/python -m tdlib --help
FROM python:3.11-slim-bookworm

# Debian's own version of make will do: nothing of the study depends on it.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/*

# torch without CUDA: gigabytes less. pip takes 2.13.0+cpu for the pinned 2.13.0. Empty for PyPI's own.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_EXTRA_INDEX_URL=${TORCH_INDEX} PIP_NO_CACHE_DIR=1

RUN useradd --create-home --uid 1000 student && install --directory --owner=student /study
USER 1000
WORKDIR /study
COPY --chown=student . .
RUN make env
CMD ["make", "reproduce"]
