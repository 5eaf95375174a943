# The relay as a small image: one static binary, the CA certificates and the templates; runs as no user of the host.
#
# FROM scratch, because nothing else is needed: glibc is linked in (`crt-static`), the time zones too, DNS works without NSS
# modules since glibc 2.34, and health is the binary's own command. A distroless base would add a passwd file and a
# second registry to trust. What it would give, a fresher CA bundle, comes here from the build image at each build.

# By its full name, which Podman and Buildah ask for, and by its digest, because a tag can be moved; it is that of the index, so
# amd64 and arm64 both find their image. Another one:
# docker buildx imagetools inspect rust:1.95.0-slim-bookworm
FROM docker.io/library/rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082 AS build
WORKDIR /src

COPY . .

# The commit that `--version` names: docker build --build-arg RELAY_REVISION="$(git rev-parse --short HEAD)"
ARG RELAY_REVISION

# The build runs on the platform it builds for, so rustc's host is the target: amd64 and arm64 need no case each. Naming it
# is not idle: only with --target are build scripts and procedural macros spared the RUSTFLAGS, which they cannot be linked with.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    target="$(rustc -vV | sed -n 's/^host: //p')" \
    && RUSTFLAGS='-C target-feature=+crt-static' cargo build --locked --profile dist --target "$target" \
    && mkdir -p /empty /image/tmp /image/etc/ssl/certs \
    && cp "target/$target/dist/grafana-matrix-relay" /image/ \
    && cp -r templates /image/templates \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
    && chmod 1777 /image/tmp

FROM scratch
LABEL org.opencontainers.image.title="grafana-matrix-relay" \
      org.opencontainers.image.description="Relays Grafana and Alertmanager notifications to Matrix rooms" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"

COPY --from=build /image /
# A volume takes over the owner of the folder it is first mounted on, so the outbox can be written without root. The owner
# is set only on a folder that COPY makes: /data must not come with the line above.
COPY --from=build --chown=65532:65532 /empty /data

# What a large body took goes back to the system after 10 ms, and not only within the seconds that the relay takes by itself.
ENV RELAY_HOST=0.0.0.0 \
    RELAY_PORT=9042 \
    RELAY_DATA_DIR=/data \
    RELAY_TEMPLATES_DIR=/templates \
    MIMALLOC_PURGE_DELAY=10

USER 65532:65532
VOLUME ["/data"]
EXPOSE 9042
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["/grafana-matrix-relay", "health"]
ENTRYPOINT ["/grafana-matrix-relay"]
