/** Each silent change by itself, and harmless changes that look similar: one difference of the catalog, one verdict. */
import { expect, test } from 'vitest';
import { detectSilentChanges } from '../../core/run/catalog/detect-silent-changes.ts';
import type { CatalogColumn, CatalogFacts, CatalogLeaf, Published } from '../../core/types/catalog-facts.ts';

const column = (attnum: number, name: string, changes: Partial<CatalogColumn> = {}): CatalogColumn => ({
  ...{ attnum, name, typeOid: 23, typeName: 'integer', baseTypeOid: 23 },
  ...{ generated: '', describedBy: '700', hasMissing: false, defaultOid: null },
  ...changes,
});

const compare = (before: CatalogFacts | null, now: CatalogFacts | null, excluded?: readonly string[]) =>
  detectSilentChanges({ name: { schema: 'public', name: 't' }, before, now, ...(excluded && { excluded }) });

const SCHEMA = { changedBy: '500', rights: '' };

const leaf = (relid: number, name: string, changes: Partial<CatalogLeaf> = {}): CatalogLeaf => ({
  ...{
    schema: 'public',
    name,
    relid,
    filenode: relid,
    toast: relid + 1000,
    namedBy: '600',
    namespace: SCHEMA,
    keyConstraint: relid + 2000,
    attachedBy: '700',
  },
  ...changes,
});

/** Through pgoutput names do not matter. */
const unnamed = (relid: number, name: string): CatalogLeaf => {
  const { namedBy: _, ...rest } = leaf(relid, name);
  return rest;
};

const BEFORE: CatalogFacts = {
  ...{
    oid: 1,
    relkind: 'p',
    persistence: 'p',
    filenode: 0,
    toast: 0,
    namedBy: '600',
    namespace: SCHEMA,
    keyConstraint: 50,
    obstacle: null,
  },
  key: ['id'],
  columns: [column(1, 'id'), column(2, 'v')],
  formerColumns: [
    { name: 'was', attnum: 0 },
    { name: 'had', attnum: 2 },
  ],
  leaves: [leaf(10, 'a'), leaf(11, 'b')],
};

/** A table that ALTER TABLE rewrote; one that VACUUM FULL rewrote; a table without TOAST, which does not show the difference. */
const rewritten = [leaf(10, 'a', { filenode: 99, toast: 98 }), leaf(11, 'b')];
const copied = [leaf(10, 'a', { filenode: 99 }), leaf(11, 'b')];
const WITHOUT_TOAST = [leaf(10, 'a', { toast: 0 }), leaf(11, 'b')];
const unclear = [leaf(10, 'a', { filenode: 99, toast: 0 }), leaf(11, 'b')];
const type = (oid: number, parts: string[]) => ({
  ...{ oid, typtype: 'e', typbasetype: 0, typelem: 0, typname: 'mood', typdelim: ',' },
  ...{ parts, madeOf: [] },
});
const withV = (changes: Partial<CatalogColumn>) => [column(1, 'id'), column(2, 'v', changes)];
const plus = (changes: Partial<CatalogColumn>) => [...BEFORE.columns, column(3, 'new', changes)];

const CASES: readonly [
  what: string,
  now: Partial<CatalogFacts>,
  codes: readonly string[],
  before?: Partial<CatalogFacts>,
][] = [
  ['nothing', {}, []],
  ['recreated', { oid: 2 }, ['TABLE_CHANGED']],
  ['recreated with another key', { oid: 2, key: ['v'] }, ['TABLE_CHANGED', 'KEY_CHANGED']],
  ['renamed and named as before, or another owner', { namedBy: '601' }, ['TABLE_CHANGED']],
  [
    'its schema renamed and named as before',
    { namespace: { ...SCHEMA, changedBy: '501' } },
    ['TABLE_CHANGED'],
  ],
  ['rights on its schema', { namespace: { changedBy: '501', rights: 'a=U/b' } }, []],
  [
    'its schema renamed, together with another owner',
    { namespace: { changedBy: '501', rights: '' } },
    ['TABLE_CHANGED'],
  ],
  ['no longer in the log', { obstacle: 't has no primary key.', key: [] }, ['NOT_IN_LOG']],
  ['still not in the log, for the same reason', { obstacle: 'x.' }, [], { obstacle: 'x.' }],
  ['for another reason', { obstacle: 'y.' }, ['NOT_IN_LOG'], { obstacle: 'x.' }],
  ['in the log again', {}, ['TABLE_CHANGED'], { obstacle: 'x.' }],
  ['its key back', {}, ['TABLE_CHANGED'], { obstacle: 'no key.', key: [] }],
  ['another key', { key: ['id', 'v'] }, ['KEY_CHANGED']],
  ['a key of other columns', { key: ['v'] }, ['KEY_CHANGED']],
  [
    'a column of the key renamed',
    { key: ['nr'], columns: [column(1, 'nr'), column(2, 'v')] },
    ['TABLE_CHANGED'],
  ],
  ['its key dropped and added again', { keyConstraint: 51 }, ['TABLE_CHANGED']],
  [
    'the key of a leaf dropped and added again',
    { leaves: [leaf(10, 'a', { keyConstraint: 7 }), leaf(11, 'b')] },
    ['TABLE_CHANGED'],
  ],
  ['a file alone (VACUUM FULL, TRUNCATE)', { leaves: copied }, []],
  ['a file alone, without TOAST', { leaves: unclear }, [], { leaves: WITHOUT_TOAST }],
  ['rewritten without a visible reason (UNLOGGED for a time)', { leaves: rewritten }, ['TABLE_CHANGED']],
  ['a description alone (SET DEFAULT)', { columns: withV({ describedBy: '701' }) }, []],
  ['SET STATISTICS and VACUUM FULL', { leaves: copied, columns: withV({ describedBy: '701' }) }, []],
  ['TYPE … USING', { leaves: rewritten, columns: withV({ describedBy: '701' }) }, ['TABLE_CHANGED']],
  [
    'TYPE … USING of a column with a constant for older rows',
    { leaves: rewritten, columns: withV({ describedBy: '701' }) },
    ['TABLE_CHANGED'],
    { columns: withV({ hasMissing: true }) },
  ],
  [
    'TYPE … USING, or statistics and VACUUM FULL, without TOAST',
    { leaves: unclear, columns: withV({ describedBy: '701' }) },
    ['TABLE_CHANGED'],
    { leaves: WITHOUT_TOAST },
  ],
  [
    'VACUUM FULL fills a constant in, without TOAST',
    { leaves: unclear, columns: withV({ describedBy: '701', defaultOid: 5 }) },
    [],
    { leaves: WITHOUT_TOAST, columns: withV({ hasMissing: true, defaultOid: 5 }) },
  ],
  [
    'TYPE … USING of such a column',
    { leaves: unclear, columns: withV({ describedBy: '701', defaultOid: 6 }) },
    ['TABLE_CHANGED'],
    { leaves: WITHOUT_TOAST, columns: withV({ hasMissing: true, defaultOid: 5 }) },
  ],
  [
    'another type without a file',
    { columns: withV({ baseTypeOid: 20, describedBy: '701' }) },
    ['TABLE_CHANGED'],
  ],
  ['another length without a file', { columns: withV({ typeName: 'varchar(40)', describedBy: '701' }) }, []],
  ['an additional label', { types: [type(9, ['+1=a', '+2=b'])] }, [], { types: [type(9, ['+1=a'])] }],
  ['a label renamed', { types: [type(9, ['+1=b'])] }, ['TABLE_CHANGED'], { types: [type(9, ['+1=a'])] }],
  [
    'an additional attribute',
    { types: [type(9, ['1=23,-1', '2=23,-1'])] },
    ['TABLE_CHANGED'],
    { types: [type(9, ['1=23,-1'])] },
  ],
  ['one type added and one removed', { types: [type(9, ['+1=a'])] }, [], { types: [type(8, ['+1=b'])] }],
  ['a new column', { columns: plus({}) }, []],
  ['a new column with a constant', { columns: plus({ hasMissing: true }) }, ['TABLE_CHANGED']],
  ['a new column that is generated', { columns: plus({ generated: 's' }) }, ['TABLE_CHANGED']],
  ['a new column that is virtual', { columns: plus({ generated: 'v' }) }, []],
  ['a new column in a new file', { columns: plus({}), leaves: rewritten }, ['TABLE_CHANGED']],
  [
    'a new column in a copy of the file, where its default was filled in',
    { columns: plus({}), leaves: copied },
    ['TABLE_CHANGED'],
  ],
  ['a column removed', { columns: [column(1, 'id')] }, []],
  ['a column renamed', { columns: [column(1, 'id'), column(2, 'w')] }, []],
  [
    'a column dropped and added under its name',
    { columns: [column(1, 'id'), column(3, 'v')] },
    ['TABLE_CHANGED'],
  ],
  ['the same, virtual', { columns: [column(1, 'id'), column(3, 'v', { generated: 'v' })] }, []],
  [
    'a column renamed, and another added under its name',
    { columns: [column(1, 'id'), column(2, 'w'), column(3, 'v')] },
    ['TABLE_CHANGED'],
  ],
  ['a column gets a former name of another column', { columns: plus({ name: 'was' }) }, ['TABLE_CHANGED']],
  ['a column gets its own former name back', { columns: withV({ name: 'had' }) }, []],
  [
    'a column renamed to a former name of another column',
    { columns: withV({ name: 'was' }) },
    ['TABLE_CHANGED'],
  ],
  ['a leaf removed', { leaves: [leaf(10, 'a')] }, ['TABLE_CHANGED']],
  ['a leaf added', { leaves: [...BEFORE.leaves, leaf(12, 'c')] }, []],
  [
    'a leaf attached again',
    { leaves: [leaf(10, 'a', { attachedBy: '702' }), leaf(11, 'b')] },
    ['TABLE_CHANGED'],
  ],
  ['a leaf renamed', { leaves: [leaf(10, 'old', { namedBy: '601' }), leaf(11, 'b')] }, ['TABLE_CHANGED']],
  ['a leaf renamed (pgoutput)', { leaves: [unnamed(10, 'old')] }, [], { leaves: [unnamed(10, 'a')] }],
  [
    'a leaf renamed and named as before',
    { leaves: [leaf(10, 'a', { namedBy: '601' }), leaf(11, 'b')] },
    ['TABLE_CHANGED'],
  ],
  ['a name taken over', { leaves: [leaf(10, 'old'), leaf(11, 'b'), leaf(12, 'a')] }, ['TABLE_CHANGED']],
];

test.each(CASES)('%s', (_what, now, codes, before = {}) => {
  const then = { ...BEFORE, ...before };
  const found = compare(then, {
    ...then,
    ...unchanged(now, before),
    ...now,
  });
  expect(found.map((each) => each.code)).toEqual(codes);
  expect(found.every((each) => each.repairsItself === (each.code === 'TABLE_CHANGED'))).toBe(true);
});

/** Everything that a case sets before also holds now, except what the case removes. */
function unchanged(now: Partial<CatalogFacts>, before: Partial<CatalogFacts>): Partial<CatalogFacts> {
  const gone = 'obstacle' in before && !('obstacle' in now) ? { obstacle: null, key: BEFORE.key } : {};
  return 'columns' in before && !('columns' in now) ? { ...gone, columns: BEFORE.columns } : gone;
}

const whole = (entry: number, changes: Partial<Published> = {}): Published => ({
  ...{ entry, changedBy: '800', whole: true },
  ...changes,
});
const inPart = (entry: number): Published => whole(entry, { whole: false });

test.each<
  readonly [what: string, then: Published | null | undefined, now: Published | null, codes: string[]]
>([
  ['as it was', whole(1), whole(1), []],
  ['not known before', undefined, whole(1), []],
  ['taken out', whole(1), null, ['UNPUBLISHED']],
  ['not published, and not known before', undefined, null, ['UNPUBLISHED']],
  ['put back', null, whole(2), ['PUBLISHED_AGAIN']],
  ['taken out and put back', whole(1), whole(2), ['PUBLISHED_AGAIN']],
  ['restricted', whole(1), inPart(2), ['PUBLISHED_IN_PART']],
  ['whole again', inPart(2), whole(2), ['PUBLISHED_AGAIN']],
  [
    'changed, and changed back, or another owner',
    whole(1),
    whole(1, { changedBy: '801' }),
    ['PUBLISHED_AGAIN'],
  ],
])('a publication: %s', (_what, then, published, codes) => {
  const before = then === undefined ? BEFORE : { ...BEFORE, published: then };
  const found = compare(before, { ...BEFORE, published });
  expect(found.map((each) => each.code)).toEqual(codes);
  expect(found.every((each) => each.repairsItself === (each.code === 'PUBLISHED_AGAIN'))).toBe(true);
});

test.each<readonly [what: string, columns: CatalogColumn[], codes: string[]]>([
  ['dropped and added under its name', [column(1, 'id'), column(3, 'v')], []],
  ['added with a default', [column(1, 'id'), column(3, 'v', { hasMissing: true })], []],
  ['renamed, which doctor reports: its values are not read until somebody decides', withV({ name: 'w' }), []],
])('an excluded column: %s', (_what, columns, codes) => {
  const found = compare(BEFORE, { ...BEFORE, columns }, ['v']);
  expect(found.map((each) => each.code)).toEqual(codes);
});

test.each([
  ['a table, which cannot be UNLOGGED while it is published (pg_repack)', 'r', whole(1), []],
  ['a table about which wal2json warns', 'r', undefined, ['TABLE_CHANGED']],
  ['a partitioned table, whose partitions can be UNLOGGED', 'p', whole(1), ['TABLE_CHANGED']],
])('rewritten with the columns as they were: %s', (_what, relkind, published, codes) => {
  const state = published === undefined ? {} : { published };
  const before: CatalogFacts = { ...BEFORE, ...state, relkind, filenode: 7, toast: 8, leaves: [] };
  const found = compare(before, {
    ...before,
    filenode: 9,
    toast: 10,
  });
  expect(found.map((each) => each.code)).toEqual(codes);
});

test('a table that is compared for the first time, and is not published', () => {
  const now = { ...BEFORE, published: null };
  const found = compare(null, now);
  expect(found.map((each) => each.code)).toEqual(['UNPUBLISHED']);
});

test('a table that is gone, and one that is compared for the first time', () => {
  expect(compare(BEFORE, null).map((each) => each.code)).toEqual(['TABLE_GONE']);
  expect(compare(null, BEFORE)).toEqual([]);
});

test('text and varchar have the same values', () => {
  const short = { ...BEFORE, columns: withV({ baseTypeOid: 1043, typeName: 'varchar(3)' }) };
  const text = { ...BEFORE, columns: withV({ baseTypeOid: 25, typeName: 'text', describedBy: '701' }) };
  expect(compare(short, text)).toEqual([]);
});
