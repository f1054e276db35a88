/** The command lines and configurations of the tools for the same copy. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { BenchRepository } from "./images.ts"
import type { ProgramCall } from "./measure.ts"

/** A copy: repositories, source and destination. */
export interface CopyRequest {
  readonly source: string
  readonly destination: string
  readonly repositories: ReadonlyArray<BenchRepository>
  /** Whether all tags were copied before. */
  readonly again: boolean
  /** The folder for a tool's configuration. */
  readonly directory: string
}

export interface Contender {
  readonly name: string
  /** The program, which must be on PATH. */
  readonly program: string
  /** The processes of the copy, one after the other. */
  readonly calls: (request: CopyRequest) => ReadonlyArray<ProgramCall>
}

/** JSON is YAML. */
const configuration = ({ directory }: CopyRequest, content: ReadonlyArray<unknown>): string => {
  const file = join(directory, "configuration.yaml")
  writeFileSync(file, content.map((document) => JSON.stringify(document)).join("\n---\n"))
  return file
}

export interface OwnImage {
  readonly name: string
  readonly spec: Readonly<Record<string, unknown>>
}

/**
 * An Image for each repository. The second copy uses the mode that compares digests as the other tools do, because
 * the default mode does not compare existing tags.
 */
export const imagesFor = (request: Omit<CopyRequest, "directory">): ReadonlyArray<OwnImage> =>
  request.repositories.map(({ images, path }) => ({
    name: path.replaceAll("/", "-"),
    spec: {
      ...(request.again ? { mode: "Recurrent", frequency: "1d" } : {}),
      source: {
        name: `${request.source}/${path}`,
        version: images.length === 1 ? images[0]?.tag : "1.0.x",
        tlsVerify: false
      },
      destination: { name: `${request.destination}/${path}`, tlsVerify: false }
    }
  }))

/**
 * The command of a built checkout, as npm installs it. Its cache of compiled code stays from run to run, as that of a user, so that
 * the first run, which does not count, fills it.
 */
export const syncOf = (name: string, checkout: string): Contender => ({
  name,
  program: process.execPath,
  calls: (request) => {
    const manifests = imagesFor(request).map(({ name, spec }) => ({
      apiVersion: "skopeo.io/v1alpha1",
      kind: "Image",
      metadata: { name },
      spec
    }))
    return [
      {
        program: "env",
        args: [
          `XDG_CACHE_HOME=${join(checkout, "node_modules/.cache/bench")}`,
          process.execPath,
          join(checkout, "dist/bundle/main.cjs"),
          ...["sync", "-f", configuration(request, manifests)]
        ]
      }
    ]
  }
})

/** One process for each tag. */
const perTag = (
  name: string,
  program: string,
  args: (from: string, to: string, request: CopyRequest) => ReadonlyArray<string>
): Contender => ({
  name,
  program,
  calls: (request) =>
    request.repositories.flatMap(({ images, path }) =>
      images.map(({ tag }) => ({
        program,
        args: args(`${request.source}/${path}:${tag}`, `${request.destination}/${path}:${tag}`, request)
      }))
    )
})

const skopeoFlags = ["--all", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false"]

export const perImage: ReadonlyArray<Contender> = [
  perTag("skopeo copy", "skopeo", (from, to) => ["copy", ...skopeoFlags, `docker://${from}`, `docker://${to}`]),
  perTag("regctl image copy", "regctl", (from, to, { destination, source }) => [
    ...[source, destination].flatMap((host) => ["--host", `reg=${host},tls=disabled`]),
    ...["image", "copy", from, to]
  ]),
  perTag("crane copy", "crane", (from, to) => ["copy", "--insecure", from, to])
]

/** One process for a repository, with the tool's command for repositories. */
export const perRepository: ReadonlyArray<Contender> = [
  {
    name: "skopeo sync",
    program: "skopeo",
    calls: (request) => {
      const images = Object.fromEntries(request.repositories.map(({ path }) => [path, "^1\\."]))
      const file = configuration(request, [
        { [request.source]: { "tls-verify": false, "images-by-tag-regex": images } }
      ])
      const flags = ["--all", "--preserve-digests", "--dest-tls-verify=false", "--src", "yaml", "--dest", "docker"]
      return [{ program: "skopeo", args: ["sync", ...flags, file, request.destination] }]
    }
  },
  {
    name: "regsync once",
    program: "regsync",
    calls: (request) => {
      const file = configuration(request, [
        {
          version: 1,
          creds: [request.source, request.destination].map((registry) => ({ registry, tls: "disabled" })),
          sync: request.repositories.map(({ path }) => ({
            source: `${request.source}/${path}`,
            target: `${request.destination}/${path}`,
            type: "repository",
            tags: { allow: ["1\\..*"] }
          }))
        }
      ])
      return [{ program: "regsync", args: ["once", "-c", file] }]
    }
  },
  {
    name: "crane copy --all-tags",
    program: "crane",
    calls: ({ destination, repositories, source }) =>
      repositories.map(({ path }) => ({
        program: "crane",
        args: ["copy", "--all-tags", "--insecure", `${source}/${path}`, `${destination}/${path}`]
      }))
  }
]
