/** What the HTTP client takes to give up a registry that takes connections and says nothing: 60 s, three times. */
export const SILENCE = 181_000
