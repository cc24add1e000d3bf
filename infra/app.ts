/** The CDK app: `npx cdk deploy --all -c config=my-deployment.ts`. */
import { App } from 'aws-cdk-lib';
import { loadConfiguration } from './config/load.ts';
import { checkRules } from './nag.ts';
import { buildStacks } from './stacks/build-stacks.ts';

const app = new App();
checkRules(app);
try {
  buildStacks(app, await loadConfiguration(app.node.tryGetContext('config') as string | undefined));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
