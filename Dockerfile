# The image has Node.js, the shared libraries that it loads, and the bundle: no shell, no package manager, no npm. The build copies
# Node.js from its base instead of starting from a distroless image: then the compiled code is of the same Node.js, any base
# serves (glibc from 2.35 or musl, amd64 or arm64), and one digest is pinned. Debian's base has the Node.js of nodejs.org, which
# the tests run. Alpine's has another build, and a build for musl needs a quarter more CPU to start the program.
ARG NODE_IMAGE=docker.io/library/node:24.21.0-trixie-slim@sha256:173f125896c3b47ddf056734c7ea789d04595a6a08769a8f78e0df642781fb66

FROM ${NODE_IMAGE} AS build
# The SBOM lists the packages of this stage, from which the image is made. The image itself has no list of packages.
ARG BUILDKIT_SBOM_SCAN_STAGE=true
WORKDIR /src
COPY scripts/runtime.ts ./scripts/
RUN node scripts/runtime.ts /runtime
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-fund --no-audit
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY Dockerfile ./
COPY src ./src
RUN node scripts/build.ts

FROM scratch
COPY --from=build /runtime/ /
COPY --from=build /src/dist/image/ /app/
# The place of a user's files: docker run -v "$PWD:/work" … sync -f image.yaml
WORKDIR /work
USER 65532:65532
ENV NODE_ENV=production
EXPOSE 8080 8081
# Young objects get 4 MB, and the old are looked through for garbage from 32 MB on: copying makes few that live, and more
# would only be memory that is held. What Node.js has compiled of itself is of other flags, so that it starts 17 ms later: once for
# the operator, and for `docker run … sync` little beside the start of a container.
ENTRYPOINT ["/usr/local/bin/node", "--max-semi-space-size=4", "--initial-old-space-size=32", "/app/main.cjs"]
CMD ["operator"]
