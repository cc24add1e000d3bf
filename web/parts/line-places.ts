/**
 * Where the lines of a list are. Browsers do not lay out elements above some height (Firefox: about 17.8 million pixels), so a
 * longer list is scrolled by a box of that height: a pixel of scrolling is then more than a pixel of the list.
 */
const HIGHEST = 15_000_000;

export interface Box {
  readonly count: number;
  readonly lineHeight: number;
  /** Of what is visible. */
  readonly height: number;
}

/** The height of the box that is scrolled. */
export const boxHeight = ({ count, lineHeight }: Box): number => Math.min(HIGHEST, count * lineHeight);

/** The place of the list, in pixels from its top, that is at the upper edge. */
export function placeOfScroll(box: Box, scrollTop: number): number {
  return scrollTop * scale(box);
}

/** @returns how far to scroll so that this place is at the upper edge */
export function scrollOfPlace(box: Box, place: number): number {
  return place / scale(box);
}

function scale({ count, lineHeight, height }: Box): number {
  const whole = count * lineHeight;
  return whole <= HIGHEST ? 1 : (whole - height) / (HIGHEST - height);
}
