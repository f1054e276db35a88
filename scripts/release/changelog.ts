/** CHANGELOG.md: one section of notes for each version, the newest first, below the notes of the next release. */

const UNRELEASED = "Unreleased"

interface Section {
  readonly heading: string
  /** Where the heading and the notes begin and end in the text. */
  readonly start: number
  readonly notesStart: number
  readonly end: number
}

const sectionsOf = (changelog: string): ReadonlyArray<Section> => {
  const headings = [...changelog.matchAll(/^## (.+)$/gmu)]
  return headings.map((match, index) => ({
    heading: match[1] ?? "",
    start: match.index,
    notesStart: match.index + match[0].length,
    end: headings[index + 1]?.index ?? changelog.length
  }))
}

/** The versions that have a section, the newest first. */
export const versionsOf = (changelog: string): ReadonlyArray<string> =>
  sectionsOf(changelog)
    .map(({ heading }) => heading)
    .filter((heading) => heading !== UNRELEASED)

/** Whether a version comes before the release of its name, such as 0.2.0-rc.1. */
export const isPrerelease = (version: string): boolean => version.includes("-")

/** The notes of a version, or `undefined` if the version has no section or an empty one. A prerelease has those of the next release. */
export const notesOf = (changelog: string, version: string): string | undefined => {
  const named = isPrerelease(version) ? UNRELEASED : version
  const section = sectionsOf(changelog).find(({ heading }) => heading === named)
  const notes = section === undefined ? "" : changelog.slice(section.notesStart, section.end).trim()
  return notes === "" ? undefined : notes
}

/**
 * The changelog after a release: the notes of "Unreleased" are those of the version, or `undefined` if there are none. They stay
 * unreleased after a prerelease.
 */
export const released = (changelog: string, version: string): string | undefined => {
  const section = sectionsOf(changelog).find(({ heading }) => heading === UNRELEASED)
  if (section === undefined || notesOf(changelog, UNRELEASED) === undefined) return undefined
  if (isPrerelease(version)) return changelog
  const before = changelog.slice(0, section.start)
  return `${before}## ${UNRELEASED}\n\n## ${version}${changelog.slice(section.notesStart)}`
}
