/** The layers of `sync --watch`: the operator without a cluster, which keeps the status of Images in a directory. */
import { Effect, Layer, Option, Path } from "effect"
import { runsUntilStopped } from "./cli/Ending.ts"
import { CommandFailure } from "./cli/CommandFailure.ts"
import { BAD_USAGE } from "./cli/exitCodes.ts"
import type { ImageSelection } from "./cli/imageFlags.ts"
import { seedImages } from "./cli/watch/seedImages.ts"
import type { WatchInput } from "./cli/watch/watchFlags.ts"
import { metricsConfig, stateConfig } from "./Config.ts"
import { Controller } from "./controller/Controller.ts"
import { ImageEvents } from "./controller/events/ImageEvents.ts"
import { LeaderElection } from "./controller/LeaderElection.ts"
import { Outcomes } from "./controller/Outcomes.ts"
import * as KubeClientFile from "./kube/KubeClientFile.ts"
import { Images } from "./kube/Resources.ts"
import { layerOver, type LocalOperatorOptions } from "./LocalParts.ts"
import { Metrics } from "./metrics/Metrics.ts"
import { notifying } from "./Notifications.ts"
import { metricsServer, probesServer } from "./Server.ts"

/** This process leads for as long as it runs: the lock of its directory is the election. */
const leads = Layer.effect(
  LeaderElection,
  Effect.map(Controller, ({ running }) => ({ lead: running, running, unavailable: Effect.succeedNone }))
)

/** The directory of `--state-dir`, or that of the XDG Base Directory Specification. */
const directoryOf = Effect.fnUntraced(function* (named: Option.Option<string>) {
  const path = yield* Path.Path
  const { home, xdg } = yield* stateConfig
  const directory = named.pipe(
    Option.orElse(() => Option.map(xdg, (state) => path.join(state, "skopeo-operator"))),
    Option.orElse(() => Option.map(home, (home) => path.join(home, ".local", "state", "skopeo-operator")))
  )
  if (Option.isSome(directory)) return path.resolve(directory.value)
  return yield* new CommandFailure({
    exitCode: BAD_USAGE,
    detail: "--state-dir: neither $XDG_STATE_HOME nor $HOME names a directory; name one with --state-dir"
  })
})

/** The operator with the Images of a selection. Fails with the mistakes of the files. */
export const layer = (options: LocalOperatorOptions, input: WatchInput & ImageSelection) =>
  Layer.unwrap(
    Effect.gen(function* () {
      yield* runsUntilStopped
      const directory = yield* directoryOf(input.stateDir)
      const kube = KubeClientFile.layer({ directory, setting: "--state-dir", resource: Images })
      return Layer.mergeAll(
        Option.match(input.metricsAddress, { onNone: () => Layer.empty, onSome: metricsServer }),
        Option.match(input.healthAddress, { onNone: () => Layer.empty, onSome: probesServer })
      ).pipe(
        Layer.provide(leads),
        Layer.provideMerge(
          layerOver({
            ...options,
            // The controller must not begin with Images that the files no longer have.
            kube: Layer.effectDiscard(seedImages(input)).pipe(Layer.provideMerge(kube)),
            events: notifying(ImageEvents.layerNone),
            metrics: Metrics.layerWith(yield* metricsConfig),
            outcomes: Outcomes.layerNone
          })
        )
      )
    })
  )
