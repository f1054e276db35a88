/** The time until a request to a silent registry fails in the HTTP client: three attempts of 60 s. */
export const SILENCE = 181_000
