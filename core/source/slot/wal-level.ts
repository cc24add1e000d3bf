/**
 * Whether a server writes what logical decoding needs. Up to PostgreSQL 18 wal_level must be logical. From 19 on it is a floor: with
 * replica, the first logical slot raises effective_wal_level without a restart (PostgreSQL 19 manual, "effective_wal_level").
 */
export interface WalLevels {
  readonly walLevel: string;
  /** null: the server has no such setting, because it is older than 19. */
  readonly effectiveWalLevel: string | null;
}

/** Whether a logical slot can be made, and read once it is there. */
export function canDecode({ walLevel, effectiveWalLevel }: WalLevels): boolean {
  return walLevel === 'logical' || (effectiveWalLevel !== null && walLevel === 'replica');
}

/** What a report says about the two settings. */
export function describeWalLevels({ walLevel, effectiveWalLevel }: WalLevels): string {
  return effectiveWalLevel === null || effectiveWalLevel === walLevel
    ? `wal_level is ${walLevel}.`
    : `wal_level is ${walLevel}, effective_wal_level is ${effectiveWalLevel}.`;
}
