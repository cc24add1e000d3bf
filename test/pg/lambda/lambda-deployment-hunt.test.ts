/**
 * Random lives of deployments (test/support/deployment-hunt.ts). Requests come twice, at once, too late, or are interrupted. In
 * the end source and store must have what the last successful request declared. HUNT_DEPLOYMENTS=200 runs that many (from
 * HUNT_FROM), HUNT_SEEDS=1,2 these seeds.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import example from '../../../infra/config/example.ts';
import { DeploymentHunt, HUNTED_TABLES } from '../../support/deployment-hunt.ts';
import { type LambdaDatabases, lambdaDatabases } from '../../support/lambda-databases.ts';
import { startLambda } from '../../support/run-lambda.ts';
import { serverInfo } from '../../support/server-info.ts';
import { bundleFolder, synthesizeWithCode } from '../../support/synthesize.ts';

const COUNT = Number.parseInt(process.env.HUNT_DEPLOYMENTS ?? '3', 10);
const { HUNT_SEEDS, HUNT_FROM } = process.env;
/** The suite uses seeds that have passed before. */
const FIRST = Number.parseInt(HUNT_FROM ?? '1000', 10);
const SEEDS =
  HUNT_SEEDS?.split(',').map((seed) => Number.parseInt(seed, 10)) ??
  Array.from({ length: COUNT }, (_, place) => FIRST + place);
const AN_ORDER_MS = 60_000;

let databases: LambdaDatabases;
let bundle: string;

beforeAll(async () => {
  bundle = bundleFolder(await synthesizeWithCode(example), 'Migrate');
  databases = await lambdaDatabases(HUNTED_TABLES);
}, 240_000);

afterAll(async () => {
  await databases?.[Symbol.asyncDispose]();
});

test(
  `${SEEDS.length} deployments in random orders, from seed ${SEEDS[0]}`,
  async () => {
    const failed: string[] = [];
    for (const seed of SEEDS) {
      const start = () => startLambda(bundle, databases.functionEnv('Migrate'));
      const hunt = new DeploymentHunt({ databases, start, hasWal2json: serverInfo().hasWal2json }, seed);
      await hunt.run();
      if (hunt.wrong.length > 0) failed.push(`HUNT_SEEDS=${seed}\n${hunt.said.join('\n')}`);
      const isShown = HUNT_SEEDS !== undefined || hunt.wrong.length > 0;
      console.log(`seed ${seed}${isShown ? `\n${hunt.said.join('\n')}` : ' is right'}`);
    }
    expect(failed.join('\n\n')).toBe('');
  },
  SEEDS.length * AN_ORDER_MS,
);
