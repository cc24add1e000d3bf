/**
 * Whether two servers are one: by system identifier and timeline, where the platform tells them. From what is not told nothing is
 * concluded: positions and slot have to do.
 */
interface Identified {
  readonly systemIdentifier: string;
}

/** What a server is called that does not tell who it is; the name of the slot follows, so that it is nobody else's. */
export const UNKNOWN_SYSTEM = 'unknown, with slot ';

export function isKnownSystem({ systemIdentifier }: Identified): boolean {
  return !systemIdentifier.startsWith(UNKNOWN_SYSTEM);
}

/** false only of servers that are known to be different. */
export function maybeSameSystem(one: Identified, other: Identified): boolean {
  if (!isKnownSystem(one) || !isKnownSystem(other)) return true;
  return one.systemIdentifier === other.systemIdentifier;
}

/** false only of timelines that are known to be different; 0 is one that is not known. */
export function maybeSameTimeline(one: number, other: number): boolean {
  return one === other || one === 0 || other === 0;
}
