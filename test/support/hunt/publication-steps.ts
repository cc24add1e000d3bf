/** Changes of one table in our publication by somebody else. */
import type { Moment } from './place.ts';
import type { Steps } from './steps.ts';

export function publicationSteps({ own, schema: s, key, column, pick, write, ground }: Moment): Steps {
  if (ground.publications.length === 0) return [];
  const alter = `ALTER PUBLICATION ${pick(ground.publications)}`;
  const drop = `${alter} DROP TABLE ${own}`;
  return [
    ['ALTER PUBLICATION DROP', () => `${drop}; ${write()}`],
    ['ALTER PUBLICATION ADD TABLE', () => `${drop}; ${write()}; ${alter} ADD TABLE ${own}; ${write()}`],
    ['ALTER PUBLICATION ADD TABLE', () => `${alter} ADD TABLE ${pick([own, `ONLY ${own}`])}`],
    [
      'ALTER PUBLICATION ADD TABLE (columns)',
      () => `BEGIN; ${drop}; ${alter} ADD TABLE ${own} (${key}); COMMIT; ${write()}`,
    ],
    [
      'ALTER PUBLICATION ADD TABLE (columns)',
      () => `${drop}; ${alter} ADD TABLE ${own} (${key}, ${column}); ${write()}`,
    ],
    [
      'ALTER PUBLICATION ADD TABLE WHERE',
      () => `${drop}; ${alter} ADD TABLE ${own} WHERE (${key} IS NOT NULL); ${write()}`,
    ],
    [
      'ALTER PUBLICATION ADD TABLE WHERE',
      () => `BEGIN; ${drop}; ${alter} ADD TABLE ${own} WHERE (${key}::text > '2'); COMMIT; ${write()}`,
    ],
    ['ALTER PUBLICATION ADD TABLES IN SCHEMA', () => `${alter} ADD TABLES IN SCHEMA ${s}; ${write()}`],
    ['ALTER PUBLICATION DROP TABLES IN SCHEMA', () => `${alter} DROP TABLES IN SCHEMA ${s}; ${write()}`],
  ];
}
