/**
 * The same table as two usual kinds of history keep it in the database itself, for the same question: its rows as of an instant.
 *
 * - versions: each row has the period in which it is valid, and a trigger moves the row before a change into a second table (the
 *   shape of temporal_tables). The past is the rows of both tables whose period contains the instant.
 * - log: a trigger writes each row as JSON before and after a change into one table for all tables, with an identifier made of
 *   table and key (the shape of supa_audit). The past is the last entry of each identifier. The log begins with the rows of the
 *   table, as a baseline does; otherwise it could not answer.
 */
import type pg from 'pg';

export interface OtherHistory {
  readonly name: string;
  /** The table that applications write. */
  readonly table: string;
  /** Creates the table as a copy of `accounts`, with its history and trigger. */
  readonly create: string;
  /** A query for the rows as of the instant, an SQL expression of type timestamptz. */
  rowsAt(instant: string): string;
  /** The same row by its key. */
  rowAt(instant: string, aid: number): string;
}

const VERSIONS: OtherHistory = {
  name: 'versions in a table',
  table: 'public.versioned',
  create: `
    CREATE TABLE public.versioned (aid int PRIMARY KEY, bid int, abalance int, filler char(84),
                                   valid tstzrange NOT NULL DEFAULT tstzrange(now(), NULL));
    CREATE TABLE public.versioned_before (LIKE public.versioned);
    CREATE INDEX ON public.versioned_before (aid);
    INSERT INTO public.versioned SELECT a.* FROM public.accounts AS a;
    CREATE FUNCTION public.keep_version() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP <> 'INSERT' THEN
        OLD.valid := tstzrange(lower(OLD.valid), now());
        INSERT INTO public.versioned_before SELECT OLD.*;
      END IF;
      IF TG_OP = 'DELETE' THEN
        RETURN OLD;
      END IF;
      NEW.valid := tstzrange(now(), NULL);
      RETURN NEW;
    END $$;
    CREATE TRIGGER keep BEFORE INSERT OR UPDATE OR DELETE ON public.versioned FOR EACH ROW EXECUTE FUNCTION public.keep_version();`,
  rowsAt: (instant) =>
    ['versioned', 'versioned_before']
      .map((table) => `SELECT aid, bid, abalance, filler FROM public.${table} WHERE valid @> ${instant}`)
      .join(' UNION ALL '),
  rowAt: (instant, aid) => `SELECT * FROM (${VERSIONS.rowsAt(instant)}) AS v WHERE aid = ${aid}`,
};

const IDENTIFIER = (key: string): string => `md5('public.audited ' || ${key})::uuid`;

const LOG: OtherHistory = {
  name: 'log of JSON rows',
  table: 'public.audited',
  create: `
    CREATE TABLE public.audited (LIKE public.accounts INCLUDING ALL);
    CREATE TABLE public.audit_log (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, row_id uuid, row_id_before uuid, op text NOT NULL,
      at timestamptz NOT NULL DEFAULT now(), table_name text NOT NULL, row_after jsonb, row_before jsonb);
    CREATE INDEX ON public.audit_log (row_id) WHERE row_id IS NOT NULL;
    CREATE INDEX ON public.audit_log (row_id_before) WHERE row_id_before IS NOT NULL;
    CREATE INDEX ON public.audit_log USING brin (at);
    INSERT INTO public.audited SELECT a.* FROM public.accounts AS a;
    INSERT INTO public.audit_log (row_id, op, table_name, row_after)
    SELECT ${IDENTIFIER('a.aid')}, 'INSERT', 'audited', to_jsonb(a) FROM public.audited AS a;
    CREATE FUNCTION public.write_log() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO public.audit_log (row_id, row_id_before, op, table_name, row_after, row_before)
      VALUES (CASE WHEN TG_OP <> 'DELETE' THEN ${IDENTIFIER('NEW.aid')} END,
              CASE WHEN TG_OP <> 'INSERT' THEN ${IDENTIFIER('OLD.aid')} END, TG_OP, TG_TABLE_NAME,
              CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END, CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END);
      RETURN coalesce(NEW, OLD);
    END $$;
    CREATE TRIGGER log AFTER INSERT OR UPDATE OR DELETE ON public.audited FOR EACH ROW EXECUTE FUNCTION public.write_log();`,
  rowsAt: (instant) => logged(`l.at <= ${instant} AND l.table_name = 'audited'`),
  rowAt: (instant, aid) =>
    logged(
      `l.at <= ${instant} AND (l.row_id = ${IDENTIFIER(`'${aid}'`)} OR l.row_id_before = ${IDENTIFIER(`'${aid}'`)})`,
    ),
};

function logged(condition: string): string {
  return `SELECT r.aid, r.bid, r.abalance, r.filler
            FROM (SELECT DISTINCT ON (coalesce(l.row_id, l.row_id_before)) l.op, l.row_after FROM public.audit_log AS l
                   WHERE ${condition} ORDER BY coalesce(l.row_id, l.row_id_before), l.id DESC) AS e
           CROSS JOIN LATERAL jsonb_to_record(e.row_after) AS r (aid int, bid int, abalance int, filler char(84))
           WHERE e.op <> 'DELETE'`;
}

export const OTHER_HISTORIES: readonly OtherHistory[] = [VERSIONS, LOG];

/**
 * Makes the tables before `accounts` changes, changes every so many of their rows as it will, and refreshes all statistics.
 * @returns an instant between the two, as an SQL expression
 */
export async function makeOtherHistories(source: pg.Client, every: number): Promise<string> {
  for (const { create } of OTHER_HISTORIES) await source.query(create);
  const { rows } = await source.query<{ at: string }>('SELECT clock_timestamp()::text AS at');
  for (const { table } of OTHER_HISTORIES)
    await source.query(`UPDATE ${table} SET abalance = abalance + 1 WHERE aid % ${every} = 0`);
  await source.query('VACUUM ANALYZE');
  return `'${rows[0]!.at}'::timestamptz`;
}
