/**
 * Compares servers by system identifier and timeline, if the platform tells them. If it does not, callers must compare positions
 * and slots instead.
 */
interface Identified {
  readonly systemIdentifier: string;
}

/** Stands for the system identifier of a server that does not tell it. The name of the slot follows, which makes it unique. */
export const UNKNOWN_SYSTEM = 'unknown, with slot ';

export function isKnownSystem({ systemIdentifier }: Identified): boolean {
  return !systemIdentifier.startsWith(UNKNOWN_SYSTEM);
}

/** False only for servers that are known to be different. */
export function maybeSameSystem(one: Identified, other: Identified): boolean {
  if (!isKnownSystem(one) || !isKnownSystem(other)) return true;
  return one.systemIdentifier === other.systemIdentifier;
}

/** False only for timelines that are known to be different; 0 means not known. */
export function maybeSameTimeline(one: number, other: number): boolean {
  return one === other || one === 0 || other === 0;
}
