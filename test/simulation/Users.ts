/** Users, who create, change, suspend, resume and delete Images, and push, move and delete tags. */
import { Effect } from "effect"
import { Jobs } from "../../src/kube/Resources.ts"
import { cosignTagsOf } from "../../src/oci/Referrers.ts"
import type { Chance } from "./Chance.ts"
import { attach, push } from "./Registries.ts"
import { isPattern, selectedTags, type Wish } from "./Wish.ts"
import { JOBS, REGISTRIES, type World } from "./World.ts"

const SOURCES = [REGISTRIES.hub, REGISTRIES.quay] as const
const DESTINATIONS = [REGISTRIES.corp, REGISTRIES.edge] as const
const REPOSITORIES = ["app", "web"] as const
const NAMESPACES = ["team-a", "team-b"] as const
const PATTERNS = ["v1.0.x", "v1.1.x", "v1.x.x"] as const
/** The number of different images. */
const CONTENTS = 120

type Action =
  | "wait"
  | "create"
  | "delete"
  | "recreate"
  | "change"
  | "suspend"
  | "resume"
  | "push"
  | "move"
  | "remove"
  | "sign"
  | "hand"
  | "sweep"
  | "deleteJob"

const tagOf = (index: number): string => `v1.${index % 2}.${Math.floor(index / 2)}`

export class Users {
  readonly #world: World
  readonly #chance: Chance
  #created = 0
  /** The Image that its user changes next too. Changes while copies run find the most faults. */
  #attended: string | undefined

  constructor(world: World) {
    this.#world = world
    this.#chance = world.chance("users")
  }

  /** Pushes the tags that sources have at the start. */
  fillSources(): void {
    for (const name of SOURCES) {
      for (const path of REPOSITORIES) {
        for (let index = 0; index < this.#world.shape.tags; index += 1) this.#push(name, path, tagOf(index))
        this.#push(name, path, "latest")
      }
    }
  }

  /** Creates the Images that exist at the start. */
  createFirst(): void {
    for (let index = 0; index < this.#world.shape.images - 1; index += 1) this.#create()
    for (let index = 0; index < this.#world.shape.crowd; index += 1) this.#createInCrowd(index)
  }

  /** One action after another, until an interruption. */
  readonly act = Effect.suspend(() => {
    this.#step()
    if (this.#attended !== undefined) return Effect.sleep(this.#chance.between(200, 4_000))
    const isBusy = this.#world.shape.faults.has("changes")
    return Effect.sleep(this.#chance.between(500, isBusy ? 8_000 : 20_000))
  }).pipe(Effect.forever)

  /** Changes all Images of the crowd, so that all are checked. */
  stirCrowd(): void {
    for (const [image, wish] of this.#world.wishes.images) {
      if (image.startsWith("crowd/")) this.#world.apply(image, { ...wish, referrers: true }, "change")
    }
  }

  resumeAll(): void {
    for (const [image, wish] of this.#world.wishes.images) {
      if (wish.suspend) this.#world.apply(image, { ...wish, suspend: false }, "resume")
    }
  }

  #step(): void {
    const before = this.#world.wishes.lastChanged
    this.#act(this.#attended === undefined ? this.#anyAction() : this.#nextAction())
    const changed = this.#world.wishes.lastChanged
    this.#attended = changed !== before && this.#chance.happens(0.6) ? changed?.image : undefined
  }

  /** The next action for an Image that was changed a moment ago. */
  #nextAction(): Action {
    const { faults } = this.#world.shape
    return this.#chance.oneOf(
      "wait",
      ...(faults.has("changes") ? (["change", "change", "suspend", "suspend", "delete", "recreate"] as const) : []),
      ...(faults.has("tags") ? (["hand", "hand"] as const) : [])
    )
  }

  #anyAction(): Action {
    const { faults } = this.#world.shape
    return this.#chance.oneOf(
      "create",
      ...(faults.has("changes")
        ? (["create", "delete", "recreate", "change", "change", "suspend", "resume"] as const)
        : []),
      ...(faults.has("tags") ? (["push", "move", "remove", "sign", "sign", "hand", "hand", "sweep"] as const) : []),
      ...(faults.has("jobs") && this.#world.shape.engine === "job" ? (["deleteJob"] as const) : [])
    )
  }

  #act(action: Action): void {
    switch (action) {
      case "wait":
        return
      case "create":
        return this.#world.wishes.images.length < this.#world.shape.images + this.#world.shape.crowd
          ? this.#create()
          : undefined
      case "delete":
        return this.#withOwn((image) => this.#world.remove(image))
      case "recreate":
        return this.#withOwn((image, wish) => {
          this.#world.remove(image)
          this.#world.apply(image, this.#chance.happens(0.5) ? wish : this.#wish(image), "create anew")
        })
      case "change":
        return this.#withOwn((image, wish) => this.#world.apply(image, this.#changed(image, wish), "change"))
      case "suspend":
        return this.#withOwn((image, wish) => this.#world.apply(image, { ...wish, suspend: true }, "suspend"))
      case "resume":
        return this.#withOwn((image, wish) => {
          if (wish.suspend) this.#world.apply(image, { ...wish, suspend: false }, "resume")
        })
      case "push":
        return this.#push(
          this.#source(),
          this.#repository(),
          tagOf(this.#chance.between(0, this.#world.shape.tags + 4))
        )
      case "move":
        return this.#push(this.#source(), this.#repository(), "latest")
      case "remove":
        return this.#removeAtSource()
      case "sign":
        return this.#sign()
      case "hand":
        return this.#pushByHand()
      case "sweep":
        return this.#sweep()
      case "deleteJob":
        return this.#deleteJob()
    }
  }

  #source() {
    return this.#chance.oneOf(...SOURCES)
  }

  #repository() {
    return this.#chance.oneOf(...REPOSITORIES)
  }

  #push(name: string, path: string, tag: string): void {
    const digest = push(this.#world.registry(name), path, tag, this.#chance.between(1, CONTENTS))
    if (this.#world.now > 0) this.#world.chronicle.note(`push ${name}/${path}:${tag} (${digest.slice(7, 15)})`)
  }

  /** The Image that its user changes next, or else all Images outside of the crowd. */
  #own(): ReadonlyArray<readonly [string, Wish]> {
    const own = this.#world.wishes.images.filter(([image]) => !image.startsWith("crowd/"))
    const attended = own.filter(([image]) => image === this.#attended)
    return attended.length > 0 ? attended : own
  }

  #withOwn(act: (image: string, wish: Wish) => void): void {
    const found = this.#chance.pick(this.#own())
    if (found !== undefined) act(...found)
  }

  #create(): void {
    this.#created += 1
    const image = `${this.#chance.oneOf(...NAMESPACES)}/i${this.#created}`
    this.#world.apply(image, this.#wish(image), "create")
  }

  #createInCrowd(index: number): void {
    const image = `crowd/c${index}`
    const wish: Wish = {
      mode: "Recurrent",
      version: tagOf(index % this.#world.shape.tags),
      source: { registry: REGISTRIES.hub, path: "app" },
      destination: { registry: REGISTRIES.edge, path: `crowd/c${index}` },
      minutes: 5,
      suspend: false,
      platforms: [],
      referrers: false
    }
    this.#world.apply(image, wish, "create")
  }

  #wish(image: string): Wish {
    const chance = this.#chance
    const isExact = chance.happens(0.4)
    const source = { registry: this.#source(), path: this.#repository() }
    const { contested } = this.#world.shape
    // Images that share a destination repository have the same image under the same tag, unless the world is contested.
    const isShared = chance.happens(contested ? 0.8 : 0.3)
    const shared = contested ? "shared/all" : `shared/${source.registry}/${source.path}`
    const path = isShared ? shared : `own/${image}`
    const isWhole = isShared || chance.happens(0.7)
    return {
      mode: chance.oneOf("OneShot", "Recurrent"),
      version: isExact ? chance.oneOf("latest", tagOf(chance.between(0, 3))) : chance.oneOf(...PATTERNS),
      source,
      destination: {
        registry: contested && isShared ? REGISTRIES.edge : chance.oneOf(...DESTINATIONS),
        path,
        ...(isExact && !isShared && chance.happens(0.3) ? { tag: "stable" } : {})
      },
      minutes: chance.oneOf(...this.#world.shape.minutes),
      suspend: false,
      platforms: isWhole ? [] : chance.oneOf(["linux/amd64"], ["linux/amd64"], ["linux/arm64"]),
      referrers: chance.happens(0.3)
    }
  }

  #changed(image: string, wish: Wish): Wish {
    const chance = this.#chance
    const other = this.#wish(image)
    switch (chance.oneOf("version", "platforms", "platforms", "mode", "frequency", "destination", "all")) {
      case "version":
        return isPattern(wish)
          ? { ...wish, version: chance.oneOf(...PATTERNS) }
          : { ...wish, version: tagOf(chance.between(0, 3)) }
      case "platforms":
        return wish.destination.path.startsWith("shared/") ? wish : { ...wish, platforms: other.platforms }
      case "mode":
        return { ...wish, mode: other.mode }
      case "frequency":
        return { ...wish, minutes: other.minutes }
      case "destination":
        return { ...wish, destination: { ...wish.destination, registry: chance.oneOf(...DESTINATIONS) } }
      case "all":
        return other
    }
  }

  #removeAtSource(): void {
    const [name, path] = [this.#source(), this.#repository()]
    const registry = this.#world.registry(name)
    const tag = this.#chance.pick((registry.tags(path) ?? []).filter((other) => !other.startsWith("sha256-")))
    if (tag === undefined || !this.#chance.happens(0.5)) return
    this.#world.chronicle.note(`delete ${name}/${path}:${tag}`)
    registry.deleteTag(path, tag)
  }

  /** Signs an image, replaces its signature, or attaches an artifact to an image. */
  #sign(): void {
    const [name, path] = [this.#source(), this.#repository()]
    const registry = this.#world.registry(name)
    const tag = this.#chance.pick((registry.tags(path) ?? []).filter((other) => !other.startsWith("sha256-")))
    const digest = tag === undefined ? undefined : registry.manifest(path, tag)?.digest
    const [signature] = digest === undefined ? [] : cosignTagsOf(digest)
    if (digest === undefined || signature === undefined) return
    if (this.#chance.happens(0.3)) {
      attach(registry, path, digest, this.#chance.between(1, 20))
      return this.#world.chronicle.note(`attach to ${name}/${path}:${tag} (${digest.slice(7, 15)})`)
    }
    // A signature is an image of one platform.
    push(registry, path, signature, 7 * this.#chance.between(1, 20))
    this.#world.chronicle.note(`sign ${name}/${path}:${tag} (${digest.slice(7, 15)})`)
  }

  /** A user pushes a tag to a destination, if possible a tag that the operator is about to copy. */
  #pushByHand(): void {
    const [, wish] = this.#chance.pick(this.#own().filter(([, own]) => isPattern(own))) ?? []
    if (wish === undefined) return
    const { path, registry } = wish.destination
    const there = this.#world.registry(registry)
    const awaited = selectedTags(wish, this.#world.registry(wish.source.registry)).filter(
      ({ to }) => there.manifest(path, to) === undefined
    )
    const tag = this.#chance.pick(awaited)?.to ?? tagOf(this.#chance.between(0, this.#world.shape.tags))
    const digest = push(there, path, tag, this.#chance.between(1, CONTENTS))
    this.#world.chronicle.note(`push by hand ${registry}/${path}:${tag} (${digest.slice(7, 15)})`)
  }

  /** A user deletes a tag at a destination. */
  #sweep(): void {
    const [, wish] = this.#chance.pick(this.#world.wishes.images) ?? []
    if (wish === undefined) return
    const { path, registry: name } = wish.destination
    const registry = this.#world.registry(name)
    const tag = this.#chance.pick((registry.tags(path) ?? []).filter((other) => !other.startsWith("sha256-")))
    if (tag === undefined) return
    this.#world.chronicle.note(`delete ${name}/${path}:${tag}`)
    registry.deleteTag(path, tag)
  }

  #deleteJob(): void {
    const job = this.#chance.pick(this.#world.apiServer.list(Jobs, { namespace: JOBS }).items)
    if (job === undefined) return
    this.#world.chronicle.note(`delete by hand Job ${job.metadata.name}`)
    this.#world.apiServer.delete(Jobs, { namespace: JOBS, name: job.metadata.name }, this.#world.now)
  }
}
