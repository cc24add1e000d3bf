/** The address of a view. It can be shared: it names everything that the view shows. */
import { signal } from '@preact/signals';

export interface Address {
  readonly node: string | null;
  readonly view: string;
  readonly query: Readonly<Record<string, string>>;
}

export const address = signal(readAddress());

function readAddress(): Address {
  const [, ui, node, ...view] = location.pathname.split('/');
  return {
    node: ui === 'ui' && node ? node : null,
    view: view.join('/'),
    query: Object.fromEntries(new URLSearchParams(location.search)),
  };
}

/** The path of a view; parameters that are empty are left out, but a value to look for may be the empty text. */
export function pathTo(
  node: string,
  view = '',
  query: Readonly<Record<string, string | undefined>> = {},
): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && (value !== '' || name === 'value')) given.set(name, value);
  return `/ui/${node}${view === '' ? '' : `/${view}`}${given.size === 0 ? '' : `?${given}`}`;
}

/** @param replace stays at the same place of the browser's history, as for a step along a timeline */
export function go(path: string, { replace = false } = {}): void {
  if (replace) history.replaceState(null, '', path);
  else history.pushState(null, '', path);
  address.value = readAddress();
}

addEventListener('popstate', () => {
  address.value = readAddress();
});

/** The commit LSN as a segment of a path. */
export const lsnSegment = (lsn: string): string => lsn.replace('/', '-');
