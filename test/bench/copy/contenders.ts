/** How each tool is told to do the same. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { shipped } from "../../../scripts/bundle/shipped.ts"
import type { BenchRepository } from "./images.ts"
import type { ProgramCall } from "./measure.ts"

/** What is to be copied from where to where. */
export interface Errand {
  readonly source: string
  readonly destination: string
  readonly repositories: ReadonlyArray<BenchRepository>
  /** Whether all of it was copied before. */
  readonly again: boolean
  /** Where a tool's configuration may be written. */
  readonly directory: string
}

export interface Contender {
  readonly name: string
  /** What must be on PATH. */
  readonly program: string
  /** The processes that it takes, one after another. */
  readonly calls: (errand: Errand) => ReadonlyArray<ProgramCall>
}

/** JSON is YAML. */
const configuration = ({ directory }: Errand, content: ReadonlyArray<unknown>): string => {
  const file = join(directory, "configuration.yaml")
  writeFileSync(file, content.map((document) => JSON.stringify(document)).join("\n---\n"))
  return file
}

export interface OwnImage {
  readonly name: string
  readonly spec: Readonly<Record<string, unknown>>
}

/**
 * An Image for each repository: of the default mode, and then of the one that compares digests as the other tools do, for
 * the default one would leave tags that are there alone.
 */
export const imagesFor = (errand: Omit<Errand, "directory">): ReadonlyArray<OwnImage> =>
  errand.repositories.map(({ images, path }) => ({
    name: path.replaceAll("/", "-"),
    spec: {
      ...(errand.again ? { mode: "Recurrent", frequency: "1d" } : {}),
      source: {
        name: `${errand.source}/${path}`,
        version: images.length === 1 ? images[0]?.tag : "1.0.x",
        tlsVerify: false
      },
      destination: { name: `${errand.destination}/${path}`, tlsVerify: false }
    }
  }))

/** The program as it is shipped, from a checkout that is built. */
export const syncOf = (name: string, checkout: string): Contender => ({
  name,
  program: process.execPath,
  calls: (errand) => {
    const manifests = imagesFor(errand).map(({ name, spec }) => ({
      apiVersion: "skopeo.io/v1alpha1",
      kind: "Image",
      metadata: { name },
      spec
    }))
    return [
      {
        program: process.execPath,
        args: [...shipped(join(checkout, "dist/bundle")), "sync", "-f", configuration(errand, manifests)]
      }
    ]
  }
})

/** One process for each tag. */
const perTag = (
  name: string,
  program: string,
  args: (from: string, to: string, errand: Errand) => ReadonlyArray<string>
): Contender => ({
  name,
  program,
  calls: (errand) =>
    errand.repositories.flatMap(({ images, path }) =>
      images.map(({ tag }) => ({
        program,
        args: args(`${errand.source}/${path}:${tag}`, `${errand.destination}/${path}:${tag}`, errand)
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

/** One process for a repository, by the command that a tool has for that. */
export const perRepository: ReadonlyArray<Contender> = [
  {
    name: "skopeo sync",
    program: "skopeo",
    calls: (errand) => {
      const images = Object.fromEntries(errand.repositories.map(({ path }) => [path, "^1\\."]))
      const file = configuration(errand, [{ [errand.source]: { "tls-verify": false, "images-by-tag-regex": images } }])
      const flags = ["--all", "--preserve-digests", "--dest-tls-verify=false", "--src", "yaml", "--dest", "docker"]
      return [{ program: "skopeo", args: ["sync", ...flags, file, errand.destination] }]
    }
  },
  {
    name: "regsync once",
    program: "regsync",
    calls: (errand) => {
      const file = configuration(errand, [
        {
          version: 1,
          creds: [errand.source, errand.destination].map((registry) => ({ registry, tls: "disabled" })),
          sync: errand.repositories.map(({ path }) => ({
            source: `${errand.source}/${path}`,
            target: `${errand.destination}/${path}`,
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
