/** A wrong configuration is refused with a sentence that names the field. */
import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import example from '../../infra/config/example.ts';
import { parseConfiguration } from '../../infra/config/schema.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const node = example.nodes[0]!;

describe('mistakes', () => {
  const CASES: readonly (readonly [name: string, configuration: unknown, says: RegExp])[] = [
    ['nothing', null, /\(all of it\): /],
    ['no node', { ...example, nodes: [] }, /^nodes: must have at least one node\.$/m],
    [
      'bad node name',
      { ...example, nodes: [{ ...node, node: 'Shop' }] },
      /^nodes\[0\]\.node: must be 1 to 40/m,
    ],
    ['name twice', { ...example, nodes: [node, node] }, /^nodes\[1\]\.node: "shop" is the name of another/m],
    [
      'too many nodes',
      { ...example, nodes: Array.from({ length: 60 }, (_, index) => ({ ...node, node: `node_${index}` })) },
      /^nodes: are too many for one deployment \(60\)/m,
    ],
    [
      'partial ARN',
      {
        ...example,
        nodes: [{ ...node, sourceSecretArn: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:x' }],
      },
      /^nodes\[0\]\.sourceSecretArn: must be the complete ARN/m,
    ],
    [
      'rate of zero',
      { ...example, nodes: [{ ...node, everyMinutes: 0 }] },
      /^nodes\[0\]\.everyMinutes: must be at least 1/m,
    ],
    ['unknown field', { ...example, nodes: [{ ...node, evry: 1 }] }, /^nodes\[0\]: .*evry/m],
    [
      'one subnet',
      { ...example, vpc: { ...example.vpc, privateSubnetIds: ['subnet-1'] } },
      /^vpc\.privateSubnetIds: must name one subnet/m,
    ],
    ['unknown store', { ...example, store: { kind: 'other' } }, /^store\.kind: /m],
    [
      'retention',
      { ...example, nodes: [{ ...node, tables: [{ name: 'a', retention: '3 days' }] }] },
      /^nodes\[0\]\.tables\[0\]\.retention: must be a duration/m,
    ],
  ];
  test.each(CASES)('%s', (_, configuration, says) => {
    expect(() => parseConfiguration(configuration, 'mine.json')).toThrow(says);
    expect(() => parseConfiguration(configuration, 'mine.json')).toThrow(
      /^The configuration mine\.json cannot be used\./,
    );
  });
});

test('the app ends with the sentence and a failure', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'pgtimewarp-config-')), 'mine.json');
  writeFileSync(file, JSON.stringify({ ...example, name: 'Not This' }));
  const env = { ...process.env, CDK_CONTEXT_JSON: JSON.stringify({ config: file }) };
  const run = promisify(execFile)(process.execPath, ['infra/app.ts'], { cwd: ROOT, env });
  await expect(run).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('name: must be lower-case letters'),
  });
});
