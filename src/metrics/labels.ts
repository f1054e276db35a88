/**
 * The most registries and images with a label of their own. Any writer of Images can name more; these are counted as `other`
 * until the process starts again.
 */
export const LABELS = { registries: 100, images: 1_000 }

/** The labels of a metric for names that users write. */
export const labelsOf = (most: number): ((name: string) => string) => {
  const labels = new Set<string>()
  return (name) => {
    if (labels.size < most) labels.add(name)
    return labels.has(name) ? name : "other"
  }
}
