/** Finds imports against the direction of the rooms, and files that import each other. Imports of types count. */
import { posix } from 'node:path';
import { parseSync } from 'oxc-parser';

/** The texts of the project's TypeScript files, by path. */
export type SourceFiles = ReadonlyMap<string, string>;

type Rooms = Readonly<Record<string, readonly string[]>>;

/** The wrong imports, one line each. */
export function wrongImports(files: SourceFiles, rooms: Rooms): string[] {
  const imports = new Map([...files].map(([path, text]) => [path, importsOf(path, text)]));
  return [...wrongRooms(rooms), ...wrongDirections(imports, rooms), ...circles(imports)];
}

type Imports = ReadonlyMap<string, readonly string[]>;

/** The files that one file imports, exports from, or loads; paths of the project only. */
function importsOf(path: string, text: string): string[] {
  const { module } = parseSync(path, text);
  const named = [
    ...module.staticImports.map((each) => each.moduleRequest.value),
    ...module.staticExports.flatMap((each) => each.entries.map((entry) => entry.moduleRequest?.value)),
    ...module.dynamicImports.map(({ moduleRequest: { start, end } }) => text.slice(start + 1, end - 1)),
  ];
  return named
    .filter((name) => name?.startsWith('.'))
    .map((name) => posix.normalize(posix.join(posix.dirname(path), name!)));
}

/** Lines of the list that name a room of no line above them. */
function wrongRooms(rooms: Rooms): string[] {
  const names = Object.keys(rooms);
  return names.flatMap((room, index) =>
    rooms[room]!.filter((below) => !names.slice(0, index).some((above) => isInside(below, above))).map(
      (below) => `${room} names ${below}, which is not a room of a line above it`,
    ),
  );
}

function wrongDirections(imports: Imports, rooms: Rooms): string[] {
  const wrong: string[] = [];
  for (const [path, targets] of imports) {
    const room = roomOf(path, rooms);
    if (room === null) continue; // tests and benchmarks may import everything
    for (const target of targets) {
      const other = roomOf(target, rooms);
      if (other === room) continue;
      const isAllowed = other !== null && (rooms[room]!.includes(other) || rooms[room]!.includes(target));
      if (!isAllowed) wrong.push(`${path} imports ${target}: ${room} may not import ${other ?? 'that'}`);
    }
  }
  return wrong;
}

/** The innermost room of a path; null if it is in no room. */
function roomOf(path: string, rooms: Rooms): string | null {
  const around = Object.keys(rooms).filter((room) => isInside(path, room));
  return around.toSorted((a, b) => b.length - a.length)[0] ?? null;
}

function isInside(path: string, room: string): boolean {
  return path === room || path.startsWith(`${room}/`);
}

/** One line for each import that closes a circle: the way from a file back to itself. */
function circles(imports: Imports): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const way: string[] = [];
  const walk = (path: string): void => {
    const start = way.indexOf(path);
    if (start >= 0) {
      found.push(`files import each other: ${[...way.slice(start), path].join(' -> ')}`);
      return;
    }
    if (done.has(path)) return;
    way.push(path);
    for (const target of imports.get(path) ?? []) walk(target);
    way.pop();
    done.add(path);
  };
  for (const path of imports.keys()) walk(path);
  return found;
}
