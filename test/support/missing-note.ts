/** How a test that was left out for want of something is marked, for the reporter that names them. */
export const MISSING = 'missing: ';
