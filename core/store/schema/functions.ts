/**
 * Functions and views of the store. Their files (migrations/functions/ROOM/NAME.sql) hold the present definitions and rights.
 * All files are applied together, after the migrations and in the same transaction, whenever the store has other definitions:
 * those of another version of this program, or one that was changed by hand.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Queryable } from '../../pg/connection.ts';

interface SourceFile {
  /** `room/name.sql` */
  readonly path: string;
  readonly text: string;
}

/** The files that were applied last, and the definitions that PostgreSQL had after that. */
interface Applied {
  readonly digest: string;
  readonly definitions: string;
}

/** The digest of the files, independent of their line ends. @param folder of the migrations */
export async function digestOfFunctions(folder: string): Promise<string> {
  return digestOf(await readFiles(folder));
}

/** The digest of the files that were applied last; null: none yet. */
export async function digestOfStore(store: Queryable): Promise<string | null> {
  return (await readApplied(store))?.digest ?? null;
}

/**
 * Applies all files unless the store has their definitions already. Call it inside the transaction of the migrations.
 * @returns whether they were applied
 */
export async function applyFunctions(session: Queryable, folder: string): Promise<boolean> {
  const files = await readFiles(folder);
  const digest = digestOf(files);
  const applied = await readApplied(session);
  if (applied?.digest === digest && applied.definitions === (await readDefinitions(session))) return false;
  // functions call each other, so their bodies are checked when they run, and by the tests
  await session.query('SET LOCAL check_function_bodies = off');
  for (const { text } of inOrder(files)) await session.query(text);
  await session.query(REMAKE_RELATION_FUNCTIONS_SQL);
  await session.query(
    `INSERT INTO pgtimewarp.schema_functions (digest, definitions) VALUES ($1::text, $2::text)
     ON CONFLICT ON CONSTRAINT schema_functions_pkey
        DO UPDATE SET digest = excluded.digest, definitions = excluded.definitions, applied_at = now()`,
    [digest, await readDefinitions(session)],
  );
  return true;
}

/** Each relation has a function of its own, which create_relation_function() writes. */
const REMAKE_RELATION_FUNCTIONS_SQL = `
  SELECT pgtimewarp.create_relation_function(p.relation_id)
    FROM pgtimewarp.relation_periods AS p LEFT JOIN pgtimewarp.relation_retention AS x ON x.relation_id = p.relation_id
   WHERE x.is_dropped IS NOT TRUE`;

async function readFiles(folder: string): Promise<SourceFile[]> {
  const root = join(folder, 'functions');
  const files: SourceFile[] = [];
  for (const room of (await readdir(root)).sort()) {
    for (const name of (await readdir(join(root, room))).sort()) {
      const text = await readFile(join(root, room, name), 'utf8');
      files.push({ path: `${room}/${name}`, text: text.replaceAll('\r\n', '\n') });
    }
  }
  return files;
}

function digestOf(files: readonly SourceFile[]): string {
  const hash = createHash('sha256');
  for (const { path, text } of files) hash.update(`${path}\0${text}\0`);
  return hash.digest('hex');
}

/** Views come last: creating a view needs the functions that it calls, creating a function does not. */
function inOrder(files: readonly SourceFile[]): SourceFile[] {
  const isView = ({ text }: SourceFile): boolean => /^CREATE OR REPLACE VIEW /m.test(text);
  return [...files.filter((file) => !isView(file)), ...files.filter(isView)];
}

async function readApplied(store: Queryable): Promise<Applied | null> {
  const { rows } = await store.query<Applied>(
    'SELECT digest, definitions FROM pgtimewarp.schema_functions WHERE is_only',
  );
  return rows[0] ?? null;
}

/** A digest of all functions and views and of their rights, as PostgreSQL prints them. */
async function readDefinitions(session: Queryable): Promise<string> {
  const { rows } = await session.query<{ definitions: string }>(
    `SELECT coalesce(md5(string_agg(d.text, ';' ORDER BY d.text)), '') AS definitions
       FROM (
              SELECT concat(pg_get_functiondef(p.oid), ' ', p.proacl) AS text
                FROM pg_catalog.pg_proc AS p
               WHERE p.pronamespace = 'pgtimewarp'::regnamespace AND p.proname !~ '^asof_each_r[0-9]+$'
               UNION ALL
              SELECT concat(c.relname, ' ', pg_get_viewdef(c.oid), ' ', c.relacl)
                FROM pg_catalog.pg_class AS c
               WHERE c.relnamespace = 'pgtimewarp'::regnamespace AND c.relkind = 'v') AS d`,
  );
  return rows[0]!.definitions;
}
