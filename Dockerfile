# nabz as an image: one static program and nothing else.
#
#   docker build -t nabz .
#   docker run -p 8080:8080 -v nabz:/data -e NABZ__SERVER__PUBLIC_URL=https://survey.example.com nabz
#
# Both bases can be replaced: --build-arg BUILDER=... (Rust with rustup, on Debian), --build-arg BASE=gcr.io/distroless/static
ARG BUILDER=rust:1.95-bookworm
ARG BASE=scratch

FROM ${BUILDER} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends musl-tools \
    && rm -rf /var/lib/apt/lists/*
RUN rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /build

# The dependencies are a layer of their own: they are built again only when Cargo.lock changes.
# (Cargo.toml names the benchmark, and cargo wants to see it.)
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock build.rs ./
COPY benches benches
RUN mkdir src \
    && echo '//! Stands in for the sources.' | tee src/lib.rs >src/main.rs \
    && echo 'fn main() {}' >>src/main.rs \
    && cargo build --release --locked --target "$(uname -m)-unknown-linux-musl"

COPY . .
# The copied sources may be older than the build above, and cargo goes by the time.
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked --target "$(uname -m)-unknown-linux-musl" --bin nabz \
    && mkdir -p /image/data \
    && cp "target/$(uname -m)-unknown-linux-musl/release/nabz" /image/nabz

FROM ${BASE}
COPY --from=build /image/nabz /nabz
# Owned by the user below, so that a new volume is, too.
COPY --from=build --chown=65532:65532 /image/data /data
USER 65532:65532
# SQLite puts its temporary files here: there is no /tmp.
WORKDIR /data
VOLUME /data
ENV NABZ__SERVER__LISTEN=0.0.0.0:8080 \
    NABZ__DATA_DIR=/data
EXPOSE 8080
# There is no shell and no curl: the program asks itself.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/nabz", "health"]
ENTRYPOINT ["/nabz"]
