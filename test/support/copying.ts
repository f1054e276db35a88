/** One copy of an image with the client of a test. */
import { Effect, Layer } from "effect"
import { BlobPlacement } from "../../src/copy/BlobPlacement.ts"
import { type CopyImageOptions, copyImage as copyImageBy } from "../../src/copy/copyImage.ts"
import { RegistryClient } from "../../src/registry/RegistryClient.ts"

/** The client, and the facts about placed blobs of one process. */
export const withPlacement = <A, E, R>(client: Layer.Layer<A | RegistryClient, E, R>) =>
  Layer.fresh(BlobPlacement.layer).pipe(Layer.provideMerge(client))

/** No other Image owns the companion tags of the destination. */
export const copyImage = (options: Omit<CopyImageOptions, "companionOwner">) =>
  Effect.flatMap(Effect.all({ client: RegistryClient, blobs: BlobPlacement }), (tools) =>
    copyImageBy(tools, options)
  ).pipe(Effect.catchTag("CompanionClaimed", Effect.die))
