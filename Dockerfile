# Builds the program and puts its bundle beside a Node.js runtime; nothing else is in the image.
ARG NODE_IMAGE=docker.io/library/node:24-alpine

FROM ${NODE_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-fund --no-audit
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY Dockerfile ./
COPY src ./src
RUN node scripts/build.ts

FROM ${NODE_IMAGE}
COPY --from=build /src/dist/image /app/
# The place of a user's files: docker run -v "$PWD:/work" … sync -f image.yaml
WORKDIR /work
USER 65532:65532
ENV NODE_ENV=production
EXPOSE 8080 8081
# Young objects get 4 MB, and the old are looked through for garbage from 32 MB on: copying makes few that live, and more
# would only be memory that is held. (What Node.js has compiled of itself is of other flags: it starts 17 ms later.)
ENTRYPOINT ["node", "--max-semi-space-size=4", "--initial-old-space-size=32", "/app/main.cjs"]
CMD ["operator"]
