/** Marks a test that was left out because something is missing, for the reporter that lists such tests. */
export const MISSING = 'missing: ';
