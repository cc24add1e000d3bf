/**
 * All pages of an answer in one, up to a number of items. All of them end where the first one did; the last one frames the answer, which
 * needed the archive if one of them did.
 */

/** @param limit null: all of them */
export async function allPages<P extends Page, T>(
  limit: number | null,
  items: (page: P) => readonly T[],
  ask: (limit: number, cursor: string | null) => Promise<P>,
): Promise<{ readonly page: P; readonly items: readonly T[] }> {
  const found: T[] = [];
  let isArchived = false;
  for (let cursor: string | null = null; ; ) {
    const page: P = await ask(Math.min(PAGE_SIZE, limit === null ? PAGE_SIZE : limit - found.length), cursor);
    found.push(...items(page));
    isArchived ||= page.tier !== undefined;
    cursor = page.next;
    if (cursor === null || (limit !== null && found.length >= limit))
      return { page: isArchived ? { ...page, tier: 'archive' } : page, items: found };
  }
}

interface Page {
  readonly next: string | null;
  readonly tier?: 'archive';
}

const PAGE_SIZE = 1_000;
