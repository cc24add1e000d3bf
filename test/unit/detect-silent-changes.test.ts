/** Each silent change by itself, and what looks alike: one difference of the catalog, one verdict. */
import { expect, test } from 'vitest';
import { detectSilentChanges } from '../../core/run/detect-silent-changes.ts';
import type { CatalogColumn, CatalogFacts, CatalogLeaf, Published } from '../../core/types/catalog-facts.ts';

const column = (attnum: number, name: string, changes: Partial<CatalogColumn> = {}): CatalogColumn => ({
  ...{ attnum, name, typeOid: 23, typeName: 'integer', baseTypeOid: 23 },
  ...{ generated: '', describedBy: '700', hasMissing: false },
  ...changes,
});

const leaf = (relid: number, name: string, changes: Partial<CatalogLeaf> = {}): CatalogLeaf => ({
  ...{
    schema: 'public',
    name,
    relid,
    persistence: 'p',
    replicaIdentity: 'd',
    filenode: relid,
    attachedBy: '700',
  },
  ...changes,
});

const BEFORE: CatalogFacts = {
  ...{
    oid: 1,
    relkind: 'p',
    persistence: 'p',
    replicaIdentity: 'd',
    identityIsPrimaryKey: false,
    filenode: 0,
    owner: 'app',
    namedBy: '600',
  },
  key: ['id'],
  columns: [column(1, 'id'), column(2, 'v')],
  formerColumns: [
    { name: 'was', attnum: 0 },
    { name: 'had', attnum: 2 },
  ],
  leaves: [leaf(10, 'a'), leaf(11, 'b')],
};

const rewritten = [leaf(10, 'a', { filenode: 99 }), leaf(11, 'b')];
const withV = (changes: Partial<CatalogColumn>) => [column(1, 'id'), column(2, 'v', changes)];
const plus = (changes: Partial<CatalogColumn>) => [...BEFORE.columns, column(3, 'new', changes)];

const CASES: readonly [what: string, now: Partial<CatalogFacts>, codes: readonly string[]][] = [
  ['nothing', {}, []],
  ['made anew', { oid: 2 }, ['TABLE_RECREATED']],
  ['renamed and named as before', { namedBy: '601' }, ['TABLE_RENAMED']],
  ['another owner', { namedBy: '601', owner: 'other' }, []],
  ['key dropped', { key: [] }, ['KEY_LOST']],
  ['another key', { key: ['id', 'v'] }, ['KEY_CHANGED']],
  ['replica identity nothing', { replicaIdentity: 'n' }, ['IDENTITY_LOST']],
  ['replica identity another index', { replicaIdentity: 'i' }, ['IDENTITY_LOST']],
  ['replica identity full', { replicaIdentity: 'f' }, []],
  [
    'a leaf without identity',
    { leaves: [leaf(10, 'a', { replicaIdentity: 'n' }), leaf(11, 'b')] },
    ['IDENTITY_LOST'],
  ],
  ['unlogged', { persistence: 'u' }, ['PERSISTENCE_CHANGED']],
  [
    'an unlogged leaf',
    { leaves: [leaf(10, 'a', { persistence: 'u' }), leaf(11, 'b')] },
    ['PERSISTENCE_CHANGED'],
  ],
  ['a file alone (VACUUM FULL, TRUNCATE)', { leaves: rewritten }, []],
  ['a description alone (SET DEFAULT)', { columns: withV({ describedBy: '701' }) }, []],
  [
    'both (TYPE … USING)',
    { leaves: rewritten, columns: withV({ describedBy: '701' }) },
    ['COLUMN_REWRITTEN'],
  ],
  [
    'another type without a file',
    { columns: withV({ baseTypeOid: 20, describedBy: '701' }) },
    ['COLUMN_REWRITTEN'],
  ],
  ['another length without a file', { columns: withV({ typeName: 'varchar(40)', describedBy: '701' }) }, []],
  ['a new column', { columns: plus({}) }, []],
  ['a new column with a constant', { columns: plus({ hasMissing: true }) }, ['COLUMN_DEFAULTED']],
  ['a new column that is generated', { columns: plus({ generated: 's' }) }, ['COLUMN_FILLED']],
  ['a new column that is virtual', { columns: plus({ generated: 'v' }) }, []],
  ['a new column in a new file', { columns: plus({}), leaves: rewritten }, ['COLUMN_FILLED']],
  ['a column less', { columns: [column(1, 'id')] }, []],
  ['a column renamed', { columns: [column(1, 'id'), column(2, 'w')] }, []],
  [
    'a column dropped and added under its name',
    { columns: [column(1, 'id'), column(3, 'v')] },
    ['COLUMN_REPLACED'],
  ],
  ['the same, virtual', { columns: [column(1, 'id'), column(3, 'v', { generated: 'v' })] }, []],
  [
    'a column renamed, and another added under its name',
    { columns: [column(1, 'id'), column(2, 'w'), column(3, 'v')] },
    ['COLUMN_REPLACED'],
  ],
  ['a column under the name of one of long ago', { columns: plus({ name: 'was' }) }, ['COLUMN_REPLACED']],
  ['a column of long ago that has its name back', { columns: withV({ name: 'had' }) }, []],
  [
    'a column renamed to the name of one of long ago',
    { columns: withV({ name: 'was' }) },
    ['COLUMN_REPLACED'],
  ],
  ['a leaf less', { leaves: [leaf(10, 'a')] }, ['LEAF_GONE']],
  ['a leaf more', { leaves: [...BEFORE.leaves, leaf(12, 'c')] }, []],
  [
    'a leaf attached again',
    { leaves: [leaf(10, 'a', { attachedBy: '702' }), leaf(11, 'b')] },
    ['LEAF_REATTACHED'],
  ],
  ['a leaf renamed', { leaves: [leaf(10, 'old'), leaf(11, 'b')] }, []],
  ['a name taken over', { leaves: [leaf(10, 'old'), leaf(11, 'b'), leaf(12, 'a')] }, ['LEAF_NAME_REUSED']],
];

test.each(CASES)('%s', (_what, now, codes) => {
  const found = detectSilentChanges({ schema: 'public', name: 't' }, BEFORE, { ...BEFORE, ...now });
  expect(found.map((each) => each.code)).toEqual(codes);
  const byItself = ['COLUMN_DEFAULTED', 'COLUMN_REPLACED'];
  expect(found.every((each) => each.repairsItself === byItself.includes(each.code))).toBe(true);
});

const whole = (entry: number, changes: Partial<Published> = {}): Published => ({
  ...{ entry, changedBy: '800', owner: 'app', whole: true },
  ...changes,
});
const inPart = (entry: number): Published => whole(entry, { whole: false });

test.each<
  readonly [what: string, then: Published | null | undefined, now: Published | null, codes: string[]]
>([
  ['as it was', whole(1), whole(1), []],
  ['not known before', undefined, whole(1), []],
  ['taken out', whole(1), null, ['UNPUBLISHED']],
  ['in none, and not known before', undefined, null, ['UNPUBLISHED']],
  ['put back', null, whole(2), ['PUBLISHED_AGAIN']],
  ['taken out and put back', whole(1), whole(2), ['PUBLISHED_AGAIN']],
  ['restricted', whole(1), inPart(2), ['PUBLISHED_IN_PART']],
  ['whole again', inPart(2), whole(2), ['PUBLISHED_AGAIN']],
  ['changed, and changed back', whole(1), whole(1, { changedBy: '801' }), ['PUBLISHED_AGAIN']],
  ['another owner', whole(1), whole(1, { changedBy: '801', owner: 'other' }), []],
])('a publication: %s', (_what, then, published, codes) => {
  const name = { schema: 'public', name: 't' };
  const before = then === undefined ? BEFORE : { ...BEFORE, published: then };
  const found = detectSilentChanges(name, before, { ...BEFORE, published });
  expect(found.map((each) => each.code)).toEqual(codes);
  expect(found.every((each) => each.repairsItself === (each.code === 'PUBLISHED_AGAIN'))).toBe(true);
});

test.each<readonly [what: string, columns: CatalogColumn[], codes: string[]]>([
  ['dropped and added under its name', [column(1, 'id'), column(3, 'v')], []],
  ['added with a default', [column(1, 'id'), column(3, 'v', { hasMissing: true })], []],
  ['renamed, which doctor tells: nothing of it is read without a decision', withV({ name: 'w' }), []],
])('an excluded column: %s', (_what, columns, codes) => {
  const found = detectSilentChanges({ schema: 'public', name: 't' }, BEFORE, { ...BEFORE, columns }, ['v']);
  expect(found.map((each) => each.code)).toEqual(codes);
});

test('a table that is seen for the first time, and not published', () => {
  const now = { ...BEFORE, published: null };
  const found = detectSilentChanges({ schema: 'public', name: 't' }, null, now);
  expect(found.map((each) => each.code)).toEqual(['UNPUBLISHED']);
});

test('a table that is gone, and one that is seen for the first time', () => {
  const name = { schema: 'public', name: 't' };
  expect(detectSilentChanges(name, BEFORE, null).map((each) => each.code)).toEqual(['TABLE_GONE']);
  expect(detectSilentChanges(name, null, BEFORE)).toEqual([]);
});

test('VACUUM FULL fills a constant in and forgets it; text and varchar hold the same', () => {
  const name = { schema: 'public', name: 't' };
  const missing = { ...BEFORE, columns: withV({ hasMissing: true }) };
  const vacuumed = { ...BEFORE, leaves: rewritten, columns: withV({ describedBy: '701' }) };
  expect(detectSilentChanges(name, missing, vacuumed)).toEqual([]);
  const short = { ...BEFORE, columns: withV({ baseTypeOid: 1043, typeName: 'varchar(3)' }) };
  const text = { ...BEFORE, columns: withV({ baseTypeOid: 25, typeName: 'text', describedBy: '701' }) };
  expect(detectSilentChanges(name, short, text)).toEqual([]);
});
