# syntax=docker/dockerfile:1

FROM rust:1.95-slim-bookworm AS builder
# gcc and libc6-dev build SQLite and the cryptography. npm fetches GraphiQL for the binary.
# Debian keeps no older version of a package, so a pinned version would soon break the build.
# hadolint ignore=DL3008
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean \
    && apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates gcc libc6-dev nodejs npm
WORKDIR /src
COPY . .
# Fail if GraphiQL cannot be embedded: the alternative needs a public CDN.
ENV AUTH_GATEWAY_GRAPHIQL=embed
# One target directory for each platform: object files of two architectures do not mix.
ARG TARGETPLATFORM
# The binary is copied, because the mounted target directory is not part of the layer.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/root/.npm,sharing=locked \
    --mount=type=cache,id=target-$TARGETPLATFORM,target=/src/target,sharing=locked \
    cargo build --profile dist --locked --bin auth-gateway \
    && mkdir -p /out/data \
    && cp target/dist/auth-gateway /out/

# Holds the C library and the certificates of public authorities: no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=builder /out/auth-gateway /usr/local/bin/auth-gateway
COPY LICENSE-APACHE LICENSE-MIT src/domain/common_passwords.license.txt /usr/share/doc/auth-gateway/
# A new volume takes the owner of the directory that it is mounted on: the user "nonroot".
COPY --from=builder --chown=65532:65532 /out/data /data
VOLUME /data
# Default paths such as data/auth.db are relative: from this folder they lie in the volume.
WORKDIR /
# By number, because the runAsNonRoot check of Kubernetes does not accept a name.
USER 65532:65532
# Within a container, only this address can be reached from outside.
ENV HOST=0.0.0.0
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --start-interval=1s --retries=3 \
    CMD ["/usr/local/bin/auth-gateway", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/auth-gateway"]

ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="auth-gateway" \
      org.opencontainers.image.description="A GraphQL and REST gateway for registration, login and sessions" \
      org.opencontainers.image.licenses="Apache-2.0 OR MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
